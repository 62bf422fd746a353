"""Write the scripts of every example below a folder, for the linters."""

import sys
from pathlib import Path

from parallelgen import plan, source
from parallelgen.render import monitor_script, run_script


def main(out: Path) -> None:
    examples = sorted((Path(__file__).parent.parent / "examples").glob("*/parallel/*/manifest.json"))
    if not examples:
        sys.exit("no examples found")
    for manifest in examples:
        directory = manifest.parent
        built = plan.build(source.read(directory))
        folder = out / f"{directory.parent.parent.name}-{directory.name}"
        folder.mkdir(parents=True)
        for name, render in (("run-parallel.sh", run_script), ("monitor-live.sh", monitor_script)):
            (folder / name).write_text(render(built, f"parallel/{directory.name}"), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
