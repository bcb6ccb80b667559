"""Where a network is to be told of a speaker's voice, on CREMA-D's validation groups. No test speaker is predicted.

    SERMODULES_DATA=... python studies/choose_voice_network.py results/voices/network-choice.csv

Model 2 without gender, with the rate, epochs and minibatch of the study of CREMA-D. Six groups that seed 101 draws and no study
uses validate three trainings, two each. Five networks, fifteen trainings:

- `plain`: bands standardised by the training speakers;
- `bands`: each speaker's bands standardised by their own recordings (`standardise: speaker`);
- `linear`, `dense`: the layer before the BiLSTM, or that before the classifier, is normalised by the minibatch in training
  and by all recordings of the speaker at prediction (`batch_norm: speaker`);
- `bands and dense`: both.

Written down before the runs. The one with the highest validation UAR in the last epoch, mean of the six groups, is taken for
`studies/voices.yaml`; within half a point the earlier one in this list, which is the simpler. Expected: plain 66, bands 73,
linear 72, dense 73, bands and dense 75.

What came out: not run yet.

The file has a row an epoch. A training that is in it is not done again.
"""

import sys
from pathlib import Path

import pandas as pd

from sermodules import models, runs
from sermodules.config import RunConfig

NETWORKS = {
    "plain": {},
    "bands": {"standardise": "speaker"},
    "linear": {"batch_norm": "speaker"},
    "dense": {"batch_norm": "speaker", "batch_norm_at": "dense"},
    "bands and dense": {"standardise": "speaker", "batch_norm": "speaker", "batch_norm_at": "dense"},
}
FOLDS = range(1, 7)


def history(name, fold):
    """Train a network, or take the training of the paired group, and return its history."""
    config = RunConfig.create(
        corpus="cremad", preset="teaching", groups=10, fold=fold, seed=101, model="model2", gender="none", padding="after",
        epochs=6, patience=6, **NETWORKS[name],
    )  # fmt: skip
    data = runs.prepare(config)
    fitted = runs.fit(models.build(config, len(data.classes)), data, config, verbose=False)
    return fitted.history.assign(network=name, fold=fold, seconds=round(fitted.seconds, 1))


def summary(rows):
    """Return the validation UAR (%) of each network in the last epoch, its spread over groups, and the last training loss."""
    last = rows.sort_values("epoch").groupby(["network", "fold"], as_index=False).last()
    found = last.groupby("network").agg(groups=("fold", "size"), uar=("val_uar", "mean"), sd=("val_uar", "std"))
    found[["uar", "sd"]] *= 100
    return found.join(last.groupby("network")["loss"].mean()).loc[[name for name in NETWORKS if name in found.index]]


def main(path):
    """Do the trainings that the file lacks, and print the summary."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = pd.read_csv(path) if path.exists() else None
    for name in NETWORKS:
        for fold in FOLDS:
            if rows is None or not ((rows["network"] == name) & (rows["fold"] == fold)).any():
                new = history(name, fold)
                rows = new if rows is None else pd.concat([rows, new], ignore_index=True)
                rows.to_csv(path, index=False, float_format="%.6f")
                print(summary(rows).round(2).to_string(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
