"""Be the first process of a small machine: start what stdin asks for, bury the dead, say who ended.

A request is a line of JSON: [name, argv, environment, folder, file for the output]. Answers are lines:
`started NAME PID` and `ended NAME STATUS`, where a status above 255 is 256 + a signal.
"""

import json
import os
import select
import signal


def start(argv: list[str], environment: dict[str, str], folder: str, output: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 1)
        os.dup2(1, 2)
        os.execvpe(argv[0], argv, environment)
    finally:
        os._exit(126)


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def main() -> None:
    alarm, bell = os.pipe()
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    names: dict[int, str] = {}
    pending = b""
    while True:
        if alarm in select.select([0, alarm], [], [])[0]:
            os.read(alarm, 4096)
            while True:
                try:
                    pid, status = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    break
                if not pid:
                    break
                if pid in names:
                    code = os.waitstatus_to_exitcode(status)
                    say(f"ended {names.pop(pid)} {code if code >= 0 else 256 - code}")
        elif piece := os.read(0, 65536):
            *lines, pending = (pending + piece).split(b"\n")
            for line in lines:
                name, argv, environment, folder, output = json.loads(line)
                pid = start(argv, environment, folder, output)
                names[pid] = name
                say(f"started {name} {pid}")
        else:
            return


if __name__ == "__main__":
    main()
