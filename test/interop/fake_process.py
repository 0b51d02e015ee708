# SPDX-License-Identifier: Apache-2.0
"""A fake of test/cloud, run by a test."""
import json
import pathlib
import subprocess
import tempfile
import urllib.request

CLOUDS = pathlib.Path(__file__).resolve().parent.parent / "cloud"


class Fake:
    def __init__(self, program, cloud, *options):
        self.directory = tempfile.TemporaryDirectory()
        spec = pathlib.Path(self.directory.name, "cloud.json")
        spec.write_text(json.dumps(cloud))
        self.process = subprocess.Popen(["/usr/bin/python3", str(CLOUDS / program), "--cloud", str(spec), *options, "127.0.0.1:0"],
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def control(self, **faults):
        data = json.dumps(faults).encode() if faults else None
        with urllib.request.urlopen(f"{self.url}/control", data) as answer:
            return json.load(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()
