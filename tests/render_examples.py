"""Write the scripts of every example below a folder, for the linters."""

import sys
from pathlib import Path

from parallelgen.planning import plan
from parallelgen.reading import source
from parallelgen.writing import generate, render


def main(out: Path) -> None:
    examples = sorted((Path(__file__).parent.parent / "examples").glob("*/parallel/*/manifest.json"))
    if not examples:
        sys.exit("no examples found")
    for manifest in examples:
        directory = manifest.parent
        planned = plan.build(source.read(directory)).plan
        if planned is None:
            sys.exit(f"{directory} has errors")
        folder = out / f"{directory.parent.parent.name}-{directory.name}"
        generate.write_scripts(folder, render.scripts(planned, f"parallel/{directory.name}"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
