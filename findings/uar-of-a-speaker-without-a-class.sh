#!/usr/bin/env bash
# Two functions of scikit-learn for the same UAR differ by 29 points: the test speaker lacks a class that was predicted once.
#
# recall_score(average='macro') counts the absent class with a recall of 0, balanced_accuracy_score leaves it out.
# audmetric does the former; with the speaker's classes as labels it forgets the wrong answer, too.
# Versions: scikit-learn 1.9.1, audmetric 1.4.2
# Guess: All are the mean of the recalls: equal.
# Seen:
#   recall_score, macro: 58.3 %
#   balanced_accuracy_score: 87.5 %
#   audmetric: 58.3 %
#   audmetric, labels of the speaker: 100.0 %
#
# It needs uv and the package index. It ends with 1 if this has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python 3.11 "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" scikit-learn==1.9.1 audmetric==1.4.2
cd "$folder"
env/bin/python - <<'PYTHON'
import warnings

import audmetric
from sklearn.metrics import balanced_accuracy_score, recall_score

warnings.simplefilter("ignore")
truth = ["angry"] * 4 + ["sad"] * 4
said = ["angry"] * 3 + ["happy"] + ["sad"] * 4  # one of eight is wrong
scores = {
    "recall_score, macro": recall_score(truth, said, average="macro"),
    "balanced_accuracy_score": balanced_accuracy_score(truth, said),
    "audmetric": audmetric.unweighted_average_recall(truth, said),
    "audmetric, labels of the speaker": audmetric.unweighted_average_recall(truth, said, labels=["angry", "sad"]),
}
for name, value in scores.items():
    print(f"{name}: {100 * value:.1f} %")
assert [round(1000 * value) for value in scores.values()] == [583, 875, 583, 1000]
PYTHON
