"""Find the commands of a POSIX shell script, each with its options: enough for our own scripts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

KEYWORDS = {"if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "{", "}", "esac"}
SEPARATORS = {"\n", ";", ";;", "|", "||", "&", "&&", "(", ")"}
# What runs the command that comes behind it.
PREFIXES = {"exec", "run_step", "setsid"}
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
REDIRECTION = re.compile(r"\d*(?:<<-|<<|<&|>&|>>|>\||<>|<|>)")


@dataclass
class Script:
    """A script as it is read: its words and separators, and the scripts inside of its substitutions."""

    text: str
    position: int = 0
    tokens: list[str] = field(default_factory=list)
    inner: list[list[str]] = field(default_factory=list)
    here: list[tuple[str, bool]] = field(default_factory=list)

    def read(self, *, until: str = "") -> list[str]:
        """Read tokens up to the character that ends this part, and return them."""
        depth = 0
        cases: list[bool] = []
        while self.position < len(self.text):
            char = self.text[self.position]
            if char in until and depth == 0:
                self.position += 1
                return self.tokens
            if char in " \t":
                self.position += 1
            elif self.text.startswith("\\\n", self.position):
                self.position += 2
            elif char == "#":
                self.position = self.text.index("\n", self.position)
            elif char == "\n":
                self.position += 1
                self.tokens.append("\n")
                self._skip_here_documents()
            elif found := REDIRECTION.match(self.text, self.position):
                self.position = found.end()
                self._redirect(found[0])
            elif char in ";|&()":
                size = 2 if self.text[self.position : self.position + 2] in SEPARATORS else 1
                token = self.text[self.position : self.position + size]
                self.position += size
                if token == ")" and cases and cases[-1]:
                    cases[-1] = False
                    token = "\n"
                elif token == ";;":
                    cases[-1] = True
                elif token in "()":
                    depth += 1 if token == "(" else -1
                self.tokens.append(token)
            else:
                word = self._word()
                if word == "in" and "case" in self.tokens[-3:]:
                    cases.append(True)
                elif word == "esac" and cases:
                    cases.pop()
                # The words of a pattern are no commands.
                if not (cases and cases[-1]):
                    self.tokens.append(word)
        return self.tokens

    def _redirect(self, operator: str) -> None:
        while self.text[self.position] in " \t":
            self.position += 1
        start = self.position
        self._word()
        if operator == "<<":
            name = self.text[start : self.position]
            self.here.append((name.strip("'"), "'" in name))

    def _skip_here_documents(self) -> None:
        for name, quoted in self.here:
            end = re.compile(rf"^{name}$", re.MULTILINE).search(self.text, self.position)
            assert end, name
            if not quoted:
                for command in re.findall(r"\$\((\w+)\)", self.text[self.position : end.start()]):
                    self.inner.append([command])
            self.position = end.end()
        self.here = []

    def _word(self) -> str:
        """Read a word; what stands for an expansion in it is a dollar."""
        word = ""
        quoted = False
        while self.position < len(self.text):
            char = self.text[self.position]
            if char == "'" and not quoted:
                end = self.text.index("'", self.position + 1)
                word += self.text[self.position + 1 : end]
                self.position = end + 1
            elif char == '"':
                quoted = not quoted
                self.position += 1
            elif char == "\\":
                word += self.text[self.position + 1 : self.position + 2].strip("\n")
                self.position += 2
            elif self.text.startswith("$((", self.position):
                self.position += self.text[self.position :].index("))") + 2
                word += "$"
            elif self.text.startswith("$(", self.position):
                part = Script(self.text, self.position + 2)
                self.inner += [part.read(until=")"), *part.inner]
                self.position = part.position
                word += "$"
            elif self.text.startswith("${", self.position):
                self._skip_braces()
                word += "$"
            elif not quoted and char in " \t\n;|&()<>":
                break
            else:
                word += char
                self.position += 1
        return word

    def _skip_braces(self) -> None:
        depth = 0
        while True:
            if self.text.startswith("${", self.position):
                depth += 1
            elif self.text[self.position] == "}":
                depth -= 1
            self.position += 1
            if not depth:
                return


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each simple command of the script, without assignments and redirections."""
    script = Script(text)
    for tokens in (script.read(), *script.inner):
        command: list[str] = []
        for token in [*tokens, "\n"]:
            if token in SEPARATORS:
                if command and command[0] not in {"for", "case"}:
                    yield command
                command = []
            elif command or not (token in KEYWORDS or ASSIGNMENT.match(token)):
                command.append(token)
                if token in PREFIXES and len(command) == 1:
                    yield command
                    command = []


def functions(text: str) -> set[str]:
    """Return the names of the functions that the script defines."""
    return set(re.findall(r"^(\w+)\(\) [({]", text, re.MULTILINE))
