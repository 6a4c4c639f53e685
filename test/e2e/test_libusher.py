# SPDX-License-Identifier: Apache-2.0
"""libusher as somebody finds it who has installed it: the header, both libraries, and the example,
which answers calls that the program itself has signed."""
import http.server
import os
import subprocess
import tempfile
import threading

from harness import Settings, TestCase

PREFIX = "/usr/local"
HOOKS = "/integration/webhook/webhook"


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Runs the example as a web server would run a CGI program."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        environment = {"WEBHOOK_SECRET": self.server.secret, **self.server.environment}
        for name, value in self.headers.items():
            environment["HTTP_" + name.upper().replace("-", "_")] = value
        done = subprocess.run([self.server.program], input=body, env=environment,
            capture_output=True, check=True)
        status = int(done.stdout.split(b"\r\n")[0].removeprefix(b"Status: "))
        self.server.said.append((status, done.stderr.decode()))
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Installed(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory(prefix="usher-lib-")
        cls.root = cls.folder.name
        build = os.path.dirname(os.path.abspath(Settings.plain))
        subprocess.run(["ninja", "-C", build, "usher", "src/lib/libusher.a",
            "src/lib/libusher.so.1.0.0"], check=True, capture_output=True)
        subprocess.run(["meson", "install", "-C", build, "--destdir", cls.root, "--no-rebuild"],
            check=True, capture_output=True)
        libraries = next(folder for folder, _, files in os.walk(cls.root + PREFIX)
            if "libusher.pc" in files)
        cls.pkg_config = {**os.environ, "PKG_CONFIG_PATH": libraries,
            "PKG_CONFIG_SYSROOT_DIR": cls.root}
        cls.libraries = os.path.dirname(libraries)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()
        super().tearDownClass()

    def flags(self, *options):
        asked = subprocess.run(["pkg-config", *options, "libusher"], env=self.pkg_config, text=True,
            check=True, capture_output=True)
        return asked.stdout.split()

    def build(self, name, *flags):
        program = os.path.join(self.root, name)
        source = f"{self.root}{PREFIX}/share/doc/usher/examples/endpoint.c"
        subprocess.run(["cc", "-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra",
            "-Werror", "-o", program, source, *flags], check=True)
        return program

    def answers(self, program, environment):
        """A call that the program has signed is taken, and the same under another secret is not."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
        server.program, server.environment, server.said = program, environment, []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            hook = self.expect(self.api.post(HOOKS, {"event": "webinar.created.single",
                "hookUrl": f"http://127.0.0.1:{server.server_port}/"}), 201)
            server.secret = hook["secret"]
            tried = self.expect(self.api.post(f"{HOOKS}/{hook['id']}/test"), 200)
            self.assertEqual((tried["delivered"], tried["status"]), (True, 200))
            server.secret = "whsec_" + "A" * 32
            tried = self.expect(self.api.post(f"{HOOKS}/{hook['id']}/test"), 200)
            self.assertEqual((tried["delivered"], tried["status"]), (False, 401))
            self.assertIn("is coming", server.said[0][1])
            self.assertEqual(server.said[1][1], "")
            self.api.delete(f"{HOOKS}/{hook['id']}")
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def test_the_example_answers_signed_calls_with_the_shared_library(self):
        program = self.build("shared", *self.flags("--cflags", "--libs"))
        self.answers(program, {"LD_LIBRARY_PATH": self.libraries})

    def test_and_with_the_static_one_whose_names_are_no_others(self):
        static = os.path.join(self.libraries, "libusher.a")
        program = self.build("static", *self.flags("--cflags"), static, "-lcrypto", "-lyajl")
        self.answers(program, {})
        shown = subprocess.run(["nm", "-g", "--defined-only", static], check=True, text=True,
            capture_output=True).stdout
        names = [line.split()[2] for line in shown.splitlines() if len(line.split()) == 3]
        self.assertGreater(len(names), 20)
        self.assertEqual([name for name in names if not name.startswith("usher_")], [])

    def test_the_shared_library_shows_versioned_names_alone(self):
        library = os.path.join(self.libraries, "libusher.so")
        shown = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
            capture_output=True).stdout
        names = [line.split()[2] for line in shown.splitlines() if " T " in line]
        self.assertGreater(len(names), 20)
        for name in names:
            self.assertRegex(name, "^usher_[a-z_]+@@USHER_1$")

    def test_a_program_in_another_standard_of_c_and_in_cpp_takes_the_header(self):
        source = os.path.join(self.root, "include.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("#include <usher/usher.h>\n"
                "int main(void) { return usher_result_name(USHER_OK) == 0; }\n")
        for compiler in (["cc", "-std=c99", "-pedantic"], ["cc", "-std=c17", "-pedantic"],
                ["g++", "-x", "c++", "-std=c++11"]):
            if compiler[0] == "g++" and subprocess.run(["sh", "-c", "command -v g++"],
                    capture_output=True, check=False).returncode != 0:
                continue
            subprocess.run([*compiler, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", source,
                *self.flags("--cflags")], check=True)
