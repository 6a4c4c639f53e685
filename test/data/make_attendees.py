#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes attendees.csv: 1000 people who do not exist, from everywhere.

    test/data/make_attendees.py > test/data/attendees.csv

The same bytes each time. Nobody is real, and all addresses lie in domains kept for examples
(RFC 2606). The numbers are of every kind that people type: with and without a plus, with
separators, with a leading zero, longer than any number may be, and absent.
"""
import csv
import io
import random
import sys

PEOPLE = 1000

# Where people live: given and family names as they write them, each with the form that stands in
# an address; family name first where that is the custom; zones; how their numbers begin.
REGIONS = [
    {
        "zones": ["Asia/Kolkata", "Asia/Calcutta", "+05:30"],
        "dial": "91",
        "given": "आरव aarav,दिव्या divya,ईशान ishaan,लक्ष्मी lakshmi,रोहन rohan,सान्वी saanvi",
        "family": "शर्मा sharma,वर्मा verma,देशपांडे deshpande,चतुर्वेदी chaturvedi,यादव yadav",
        "weight": 7,
    },
    {
        "zones": ["Asia/Kolkata", "Asia/Calcutta"],
        "dial": "91",
        "given": "Aarav aarav,Priya priya,Kabir kabir,Meera meera,Vikram vikram,Ananya ananya",
        "family": "Iyer iyer,Nair nair,Patel patel,D'Souza dsouza,Mukherjee mukherjee,Rao rao",
        "weight": 8,
    },
    {
        "zones": ["Asia/Kolkata", "Asia/Colombo", "Asia/Singapore"],
        "dial": "94",
        "given": "கவின் kavin,மீனா meena,இளவரசன் ilavarasan,யாழினி yazhini,முருகன் murugan",
        "family": "செல்வம் selvam,ராமசாமி ramasamy,சுப்பிரமணியன் subramanian,குமார் kumar",
        "weight": 4,
    },
    {
        "zones": ["Asia/Kathmandu", "Asia/Dhaka", "Asia/Thimphu"],
        "dial": "977",
        "given": "सुजन sujan,প্রিয়া priya,বিমল bimal,निशा nisha,তানভীর tanvir",
        "family": "थापा thapa,রহমান rahman,गुरुङ gurung,চৌধুরী chowdhury",
        "weight": 3,
    },
    {
        "zones": ["Asia/Riyadh", "Africa/Cairo", "Asia/Beirut", "Africa/Casablanca", "Asia/Amman",
            "Africa/Khartoum", "Asia/Baghdad", "Asia/Dubai"],
        "dial": "966",
        "given": "محمد mohammed,فاطمة fatima,يوسف youssef,ليلى layla,عبد الله abdullah,نور nour",
        "family": "الحداد alhaddad,المصري almasri,بن علي benali,الزهراني alzahrani,خوري khoury",
        "weight": 5,
    },
    {
        "zones": ["Asia/Tehran", "Asia/Kabul", "Asia/Karachi", "+04:30"],
        "dial": "98",
        "given": "آرش arash,پریسا parisa,بهرام bahram,ژاله zhaleh",
        "family": "کیانی kiani,چنگیزی changizi,گلستانی golestani,پهلوان pahlavan",
        "weight": 3,
    },
    {
        "zones": ["Asia/Jerusalem"],
        "dial": "972",
        "given": "נועה noa,אביב aviv,יעל yael,דוד david",
        "family": "כהן cohen,לוי levi,בן־דוד bendavid,שפירא shapira",
        "weight": 2,
    },
    {
        "zones": ["Asia/Shanghai", "Asia/Taipei", "Asia/Hong_Kong", "Asia/Urumqi", "Asia/Macau"],
        "dial": "86",
        "given": "伟 wei,秀英 xiuying,子涵 zihan,建国 jianguo,雨桐 yutong,𠮷祥 jixiang",
        "family": "王 wang,李 li,欧阳 ouyang,陳 chen,張 zhang,𡈽 tu",
        "order": "family",
        "weight": 6,
    },
    {
        "zones": ["Asia/Tokyo", "+09:00"],
        "dial": "81",
        "given": "さくら sakura,翔太 shota,結衣 yui,タロウ taro,陽菜 hina",
        "family": "佐藤 sato,髙橋 takahashi,渡邉 watanabe,小林 kobayashi,﨑山 sakiyama",
        "order": "family",
        "space": " ",
        "weight": 4,
    },
    {
        "zones": ["Asia/Seoul", "Asia/Pyongyang"],
        "dial": "82",
        "given": "민준 minjun,서연 seoyeon,지호 jiho,하은 haeun",
        "family": "김 kim,이 lee,박 park,남궁 namgung",
        "order": "family",
        "weight": 3,
    },
    {
        "zones": ["Europe/Moscow", "Europe/Kyiv", "Asia/Yekaterinburg", "Asia/Almaty",
            "Asia/Vladivostok", "Europe/Sofia", "Asia/Kamchatka"],
        "dial": "7",
        "given": "Анна anna,Дмитрий dmitri,Юлія yuliya,Щербан shcherban,Айгүл aigul,Пётр pyotr",
        "family": "Иванова ivanova,Шевченко shevchenko,Їжакевич yizhakevych,Өмүралиев omuraliev",
        "weight": 4,
    },
    {
        "zones": ["Europe/Athens", "Asia/Nicosia"],
        "dial": "30",
        "given": "Ελένη eleni,Γιώργος giorgos,Ζωή zoi,Οδυσσέας odysseas",
        "family": "Παπαδοπούλου papadopoulou,Ξενάκης xenakis,Ψαρράς psarras",
        "weight": 2,
    },
    {
        "zones": ["Asia/Bangkok", "Asia/Vientiane", "Asia/Phnom_Penh", "Asia/Yangon"],
        "dial": "66",
        "given": "สมชาย somchai,กัญญา kanya,ณัฐพล natthaphon,သီရိ thiri,សុខា sokha",
        "family": "ศรีสุข srisuk,วงศ์ใหญ่ wongyai,จันทร์ดี chandi",
        "weight": 3,
    },
    {
        "zones": ["Africa/Addis_Ababa", "Africa/Nairobi"],
        "dial": "251",
        "given": "አበበ abebe,ሰላም selam,ጌታቸው getachew,ፍቅርተ fikirte",
        "family": "በቀለ bekele,ተስፋዬ tesfaye,ወልደማርያም woldemariam",
        "weight": 2,
    },
    {
        "zones": ["Asia/Tbilisi", "Asia/Yerevan", "Asia/Baku"],
        "dial": "995",
        "given": "ნინო nino,გიორგი giorgi,Անի ani,Հայկ hayk,Əli ali",
        "family": "ბერიძე beridze,Սարգսյան sargsyan,Məmmədov mammadov",
        "weight": 2,
    },
    {
        "zones": ["Europe/London", "Europe/Dublin", "Europe/Paris", "Europe/Berlin",
            "Europe/Madrid", "Europe/Lisbon", "Atlantic/Azores", "Europe/Stockholm",
            "Atlantic/Reykjavik", "Europe/Istanbul", "Europe/Warsaw", "Europe/Prague",
            "Europe/Bucharest"],
        "dial": "44",
        "given": "Zoë zoe,François francois,Søren soren,Þórunn thorunn,José jose,Łucja lucja,"
            "İpek ipek,Jiří jiri,Siân sian,Jürgen juergen,Ștefan stefan",
        "family": "Müller mueller,O'Brien obrien,Nuñez nunez,Wałęsa walesa,Çelik celik,"
            "Smith-Jones smithjones,Dvořák dvorak,van der Berg vanderberg,Ångström angstrom",
        "weight": 9,
    },
    {
        "zones": ["America/New_York", "America/Chicago", "America/Denver", "America/Phoenix",
            "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu", "America/St_Johns",
            "America/Toronto", "America/Indiana/Indianapolis"],
        "dial": "1",
        "given": "Ashley ashley,Jamal jamal,Mary Ann maryann,Beyoncé beyonce,Jesús jesus,X Æ x",
        "family": "Johnson johnson,McDonald mcdonald,García garcia,Nguyễn nguyen,O’Neill oneill",
        "weight": 9,
    },
    {
        "zones": ["America/Sao_Paulo", "America/Bogota", "America/Caracas", "America/Asuncion",
            "America/Santiago", "America/Mexico_City", "America/Havana",
            "America/Argentina/Buenos_Aires", "America/Nuuk", "America/Noronha"],
        "dial": "55",
        "given": "João joao,María maria,Iñaki inaki,Lúcia lucia,Ñusta nusta",
        "family": "da Silva dasilva,Gonçalves goncalves,Ibáñez ibanez,Qhespi qhespi",
        "weight": 6,
    },
    {
        "zones": ["Africa/Lagos", "Africa/Accra", "Africa/Johannesburg", "Africa/Monrovia",
            "Africa/Kinshasa"],
        "dial": "234",
        "given": "Adébáyọ̀ adebayo,Ngozi ngozi,Kwame kwame,Thandiwe thandiwe,!Xóõ xoo",
        "family": "Ọlátúnjí olatunji,Chukwu chukwu,Dlamini dlamini,N'Diaye ndiaye",
        "weight": 4,
    },
    {
        "zones": ["Australia/Sydney", "Australia/Lord_Howe", "Australia/Eucla",
            "Australia/Adelaide", "Australia/Darwin", "Pacific/Auckland", "Pacific/Chatham",
            "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Marquesas", "Pacific/Tongatapu",
            "Antarctica/Troll", "Pacific/Norfolk", "Pacific/Pago_Pago"],
        "dial": "64",
        "given": "Māia maia,Tāne tane,Kauʻi kaui,Lachlan lachlan,ʻAlamoti alamoti",
        "family": "Ngāti ngati,Keawe keawe,Tūhoe tuhoe,Wójcik wojcik",
        "weight": 5,
    },
    {
        "zones": ["Asia/Ho_Chi_Minh", "Asia/Manila", "Asia/Jakarta", "Asia/Jayapura",
            "Asia/Kuala_Lumpur", "+08:45"],
        "dial": "84",
        "given": "Thị Hương huong,Đức duc,Siti siti,Dewi dewi,Ngọc ngoc",
        "family": "Trần tran,Đặng dang,Santos santos,Wijaya wijaya",
        "order": "family",
        "space": " ",
        "weight": 4,
    },
    {
        "zones": ["+05:30", "-03:30", "+00:00", "+12:45", "-09:30", "+14:00", "-12:00", "Etc/UTC",
            "UTC"],
        "dial": "800",
        "given": "Sam sam,🎉 Kim partykim,Zoe 👩🏽‍🚀 zoeastro,🇮🇳 Ravi ravi,Max \\ Moritz max",
        "family": "\"Ace\" ace,Doe; Jr. doe,<b>Bold</b> bold,& Sons sons,{{name}} name,%s percent",
        "weight": 3,
    },
]

# Names as a whole, each once: what breaks a careless program.
WHOLE_NAMES = [
    ('Anna "Nan" O\'Brien, Jr.', "nan.obrien"),
    ("Madonna", "madonna"),
    ("Null", "null"),
    ("O", "o"),
    ("Robert'); DROP TABLE attendee;--", "bobby.tables"),
    ("Иван, сын Петра", "ivan.petra"),
    ('""', "quotes"),
    ("Wolfeschlegelsteinhausenbergerdorff, Hubert Blaine " + "the Elder " * 12 + "Sr.", "hubert"),
    ("ﷺ ‎Ahmad‎", "ahmad"),
    ("e\u0301lodie (decomposed)", "elodie"),
    ("élodie (composed)", "elodie2"),
    ("👨‍👩‍👧‍👦 The Family", "family"),
    ("Zalgo Z̷̧̛͉a̶͚͝l̵̢̏g̴̘̈́o̸", "zalgo"),
    ("true", "boolean"),
    ("1234567890", "digits"),
    ("عمر‏ and Ömer", "omar.oemer"),
]


def pairs(text):
    """"Name With Spaces ascii,…" to [("Name With Spaces", "ascii"), …]"""
    return [tuple(item.rsplit(" ", 1)) for item in text.split(",")]


def phone(rng, dial):
    kind = rng.random()
    digits = "".join(rng.choice("0123456789") for _ in range(9))
    first = rng.choice("6789")
    if kind < 0.12:
        return ""
    if kind < 0.40:
        return f"+{dial}{first}{digits}"
    if kind < 0.55:
        return f"{dial}{first}{digits}"
    if kind < 0.70:
        return f"+{dial} {first}{digits[:4]} {digits[4:]}"
    if kind < 0.78:
        return f"({first}{digits[:2]}) {digits[2:5]}-{digits[5:]}"
    if kind < 0.84:
        return f"+{dial}-{first}{digits[:2]}.{digits[2:5]}.{digits[5:]}"
    if kind < 0.93:
        return f"0{first}{digits[:3]} {digits[3:]}"  # as dialled at home: a zero leads
    if kind < 0.97:
        return f"{first}{digits}{digits[:5]}"  # 15 digits: the longest that is a number
    return f"+{dial}{first}{digits}{digits[:5]}77"  # longer than any number may be


def name_and_local(rng, region, serial):
    given, given_local = rng.choice(pairs(region["given"]))
    family, family_local = rng.choice(pairs(region["family"]))
    if region.get("order") == "family":
        name = family + region.get("space", "") + given
    else:
        name = given + " " + family
    local = f"{given_local}.{family_local}{serial}"
    style = rng.random()
    if style < 0.08:
        local = local.title()
    elif style < 0.14:
        local = f"{given_local}+webinar{serial}"
    elif style < 0.20:
        local = f"{family_local}_{serial}-{given_local}"
    return name, local


def people():
    rng = random.Random(1000)
    weights = [region["weight"] for region in REGIONS]
    for serial in range(1, PEOPLE + 1):
        region = rng.choices(REGIONS, weights)[0]
        if serial % 60 == 1 and serial // 60 < len(WHOLE_NAMES):
            name, local = WHOLE_NAMES[serial // 60]
            local = f"{local}.{serial}"
        else:
            name, local = name_and_local(rng, region, serial)
        domain = rng.choice(["example.com", "example.org", "example.net"])
        zone = "" if rng.random() < 0.09 else rng.choice(region["zones"])
        yield name, f"{local}@{domain}", phone(rng, region["dial"]), zone


def main():
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["name", "email", "phone", "timezone"])
    writer.writerows(people())
    sys.stdout.buffer.write(out.getvalue().encode("utf-8"))


if __name__ == "__main__":
    main()
