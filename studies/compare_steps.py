"""Compare two publications of a study run by run: what changes if only the rounding of a training step changes.

    python studies/compare_steps.py results/emodb-teaching COMMIT results/two-steps.csv

COMMIT is one of this project that has the earlier publication in the same folder; of the file that is there it is
399bb37. Both must hold the same runs. The file has a row a run: model, gender, fold, seed, and the UAR (%) before and now.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from sermodules.paths import project_root
from sermodules.study import published

KEY = ["model", "gender", "fold", "seed"]


def scores(folder):
    """Return the UAR (%) of each run."""
    rows = [
        [*(getattr(result.config, name) for name in KEY), 100 * result.metrics["uar"]]
        for result in published.load(folder)
    ]
    return pd.DataFrame(rows, columns=[*KEY, "uar"]).set_index(KEY)["uar"].sort_index()


def main(folder, commit, to):
    """Write the file."""
    folder = Path(folder).resolve().relative_to(project_root())
    with tempfile.TemporaryDirectory() as place:
        packed = Path(place) / "earlier.tar"
        subprocess.run(
            ["git", "-C", str(project_root()), "archive", "--output", str(packed), commit, str(folder)], check=True
        )
        subprocess.run(["tar", "-xf", str(packed), "-C", place], check=True)
        earlier, now = scores(Path(place) / folder), scores(project_root() / folder)
    if not earlier.index.equals(now.index):
        sys.exit(f"{folder} had other runs at {commit} than it has now")
    pd.DataFrame({"before": earlier, "now": now}).to_csv(to, float_format="%.4f")


if __name__ == "__main__":
    main(*sys.argv[1:])
