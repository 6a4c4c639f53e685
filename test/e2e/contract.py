# SPDX-License-Identifier: Apache-2.0
"""Holds answers of the API, and the bodies of requests that it took, against its description,
src/api/openapi.json.

Understood is what that file uses of JSON Schema; a keyword that is not known is an error, so that
nothing passes for want of a look.
"""
import json
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
with open(os.path.join(ROOT, "src", "api", "openapi.json"), encoding="utf-8") as file:
    DOCUMENT = json.load(file)

KINDS = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "null": lambda v: v is None,
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
KNOWN = {"description", "title", "examples", "default", "format", "required", "properties",
    "additionalProperties", "type", "enum", "items", "oneOf", "allOf", "$ref", "pattern", "minimum",
    "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties"}
MOMENT = DOCUMENT["components"]["schemas"]["Time"]
# About the request as bytes, or a fault of the server: what the response "default" stands for.
OF_NO_ROUTE = {400, 408, 413, 414, 415, 417, 431, 500, 501, 505}


class Broken(AssertionError):
    """What was sent or answered is not as described."""


def resolved(schema):
    while "$ref" in schema:
        at = DOCUMENT
        for part in schema["$ref"][2:].split("/"):
            at = at[part]
        schema = at
    return schema


def faults(schema, value, at="$"):
    """What is wrong with the value, as texts."""
    schema = resolved(schema)
    unknown = set(schema) - KNOWN
    if unknown:
        raise Broken(f"the description uses {unknown}, which is not understood here")
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(KINDS[kind](value) for kind in kinds):
        return [f"{at} is {value!r}, not {' or '.join(kinds)}"]
    found = []
    if "oneOf" in schema:
        tried = [faults(one, value, at) for one in schema["oneOf"]]
        if sum(not one for one in tried) != 1:
            found.append(f"{at} is not exactly one of what it may be: {tried}")
    for one in schema.get("allOf", []):
        found += faults(one, value, at)
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at} is {value!r}, not one of {schema['enum']}")
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            found.append(f"{at} is {value!r}")
        # Answers have one spelling, requests any.
        if schema is MOMENT and not TIME.match(value):
            found.append(f"{at} is {value!r}, no moment")
    found += bound_faults(schema, value, at)
    if isinstance(value, list):
        for i, item in enumerate(value):
            found += faults(schema.get("items", {}), item, f"{at}[{i}]")
    if isinstance(value, dict):
        found += object_faults(schema, value, at)
    return found


def bound_faults(schema, value, at):
    sizes = {str: "Length", list: "Items", dict: "Properties"}
    if type(value) in sizes:
        name, size = sizes[type(value)], len(value)
        low, high = schema.get("min" + name, 0), schema.get("max" + name, size)
    elif KINDS["number"](value):
        size, low, high = value, schema.get("minimum", value), schema.get("maximum", value)
    else:
        return []
    return [] if low <= size <= high else [f"{at} is {size}, not {low} to {high}"]


def object_faults(schema, value, at):
    found = [f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value]
    for name, item in value.items():
        if name in schema.get("properties", {}):
            found += faults(schema["properties"][name], item, f"{at}.{name}")
        elif isinstance(schema.get("additionalProperties"), dict):
            found += faults(schema["additionalProperties"], item, f"{at}.{name}")
        elif "properties" in schema:
            # Fields may be added; then they are described, too.
            found.append(f"{at}.{name} is not described")
    return found


def matches(template, path):
    pieces, asked = template.split("/"), path.split("/")
    return len(pieces) == len(asked) and all(
        piece == part or piece.startswith("{") for piece, part in zip(pieces, asked))


def described(operation, status):
    """The response that stands for a status; None if none does."""
    found = operation["responses"].get(str(status))
    if found is None and status in OF_NO_ROUTE:
        found = operation["responses"].get("default")
    return resolved(found) if found is not None else None


def check_content(content, kind, value, where):
    kind = kind.split(";")[0]
    if kind not in content:
        raise Broken(f"{where} is {kind}, not {' or '.join(content)}")
    wrong = faults(content[kind]["schema"], value()) if kind.endswith(("/json", "+json")) else []
    if wrong:
        raise Broken(f"{where}: " + "; ".join(wrong))


def check_headers(response, answer, where):
    """Those of ours that are there are described."""
    ours = {"etag", "retry-after", "idempotency-replayed", "www-authenticate", "x-request-id",
        "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}
    names = {name.lower() for name in response.get("headers", {})}
    wrong = ours & set(answer.headers) - names
    if wrong:
        raise Broken(f"{where}: {wrong} not described")


def check(method, path, body, answer):
    """Raises Broken where the answer is not described, or a body (text and type, None without one)
    that was taken is not."""
    path = path.split("?")[0]
    # What is written out goes before a parameter.
    found = [DOCUMENT["paths"][template] for template in
        sorted(DOCUMENT["paths"], key=lambda it: it.count("{")) if matches(template, path)]
    operation = found[0].get("get" if method == "HEAD" else method.lower()) if found else None
    if operation is None:
        return  # 404 and 405 are not about any operation
    where = f"{method} {path}: {answer.status}"
    response = described(operation, answer.status)
    if response is None:
        raise Broken(f"{where} is not described")
    check_headers(response, answer, where)
    if method != "HEAD" and "content" in response:
        check_content(response["content"], answer.headers.get("content-type", ""),
            lambda: answer.json, where)
    if body is not None and answer.status // 100 == 2 and "requestBody" in operation:
        text, kind = body
        check_content(operation["requestBody"]["content"], kind, lambda: json.loads(text),
            f"{where}, its body")


def check_examples(at):
    """Each schema's examples are what it says."""
    if isinstance(at, list):
        at = dict(enumerate(at))
    if not isinstance(at, dict):
        return
    for example in at.get("examples", []):
        wrong = faults(at, example)
        if wrong:
            raise Broken(f"an example: {wrong}")
    for name, item in at.items():
        if name != "examples":
            check_examples(item)


check_examples(DOCUMENT)
