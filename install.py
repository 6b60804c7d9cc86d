"""Runs pip in this environment and says how far it is, from the first second: `make` calls it.

One line that moves on a terminal, a line every few seconds elsewhere. What pip calls an error is shown as it is, and
its exit code is this script's.
"""

import re
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from time import monotonic

EVERY = 10.0
"""Seconds between two lines where nothing else is said."""
WANTED = re.compile(r"^[a-zA-Z0-9].*==", re.MULTILINE)


class Progress:
    """What pip is doing, printed when it changes much, and every few seconds."""

    def __init__(self, title: str, of: int) -> None:
        self._began, self._told, self._doing, self._of, self._found = monotonic(), 0.0, title, of, 0
        self._moves = sys.stdout.isatty()
        self._done = threading.Event()
        self._tell()
        threading.Thread(target=self._beat, daemon=True).start()

    def hear(self, line: str) -> None:
        """One line of pip's."""
        if line.startswith(("Collecting ", "Requirement already satisfied")):
            self._found += 1
            self._doing = f"{self._found} of about {max(self._of, self._found)} packages found"
        elif line.startswith("Installing collected packages"):
            count = line.count(",") + 1
            self._doing = f"installing {count} package{'s' if count > 1 else ''}"
            self._tell()
        elif line.lstrip().startswith(("ERROR", "error:")):
            sys.stdout.write(f"\n{line}\n")
        if self._moves or monotonic() - self._told > EVERY:
            self._tell()

    def end(self, code: int) -> None:
        """Say that pip is done."""
        self._done.set()
        self._doing = "installed" if code == 0 else "pip failed; what it has done stays, the same command goes on"
        self._tell()
        sys.stdout.write("\n" if self._moves else "")

    def _tell(self) -> None:
        self._told = monotonic()
        line = f"{self._told - self._began:4.0f} s  {self._doing}"
        sys.stdout.write(f"\r{line:<78}" if self._moves else f"{line}\n")
        sys.stdout.flush()

    def _beat(self) -> None:
        while not self._done.wait(1.0 if self._moves else EVERY):
            self._tell()


def main() -> None:
    """`install.py TITLE PIP-ARGUMENTS`."""
    title, *arguments = sys.argv[1:]
    files = [Path(after) for flag, after in pairwise(arguments) if flag == "--requirement"]
    progress = Progress(title, sum(len(WANTED.findall(file.read_text(encoding="utf-8"))) for file in files))
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps"]
    with subprocess.Popen(  # noqa: S603  our own interpreter
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            progress.hear(line.rstrip())
    progress.end(running.returncode)
    sys.exit(running.returncode)


if __name__ == "__main__":
    main()
