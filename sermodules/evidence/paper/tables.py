"""What the paper prints: its four tables, and the figures that stand beside them.

All figures are percentages and were measured on IEMOCAP: improvised turns, four classes, leave-one-speaker-out. "UWA" and
"accuracy" of the paper are the UAR (unweighted average recall); in all tables higher is better, off the diagonal of Tables 3
and 4 lower.
"""

import pandas as pd

#: The paper's two models, as the columns of `TABLE1` name them.
MODELS = ("model1", "model2")

#: The paper's classes, in the order of its confusion matrices.
CLASSES = ("angry", "sad", "happy", "neutral")

#: Where each table stands.
WHERE = {
    "TABLE1": "Table 1, between sections 3.2 and 3.3",
    "TABLE1_MEAN": "Table 1, last row, between sections 3.2 and 3.3",
    "TABLE2": "Table 2, between sections 3.2 and 3.3",
    "TABLE3": "Table 3, section 3.4",
    "TABLE4": "Table 4, section 3.4",
}

#: Table 1: WA and UAR (%) of each fold. `gender` is the test speaker's, `session` counts from 1.
TABLE1 = pd.DataFrame(
    [
        (1, 1, "female", 73.17, 61.90, 62.00, 66.40),
        (2, 1, "male", 52.19, 63.50, 71.70, 67.11),
        (3, 2, "female", 54.80, 71.50, 71.10, 68.00),
        (4, 2, "male", 62.01, 74.80, 61.50, 74.93),
        (5, 3, "female", 69.69, 58.13, 64.20, 62.32),
        (6, 3, "male", 66.66, 57.46, 61.30, 70.00),
        (7, 4, "female", 64.70, 64.30, 68.00, 64.14),
        (8, 4, "male", 69.23, 64.92, 69.23, 65.00),
        (9, 5, "female", 58.82, 34.82, 58.20, 42.34),
        (10, 5, "male", 57.91, 43.00, 55.98, 48.40),
    ],
    columns=["fold", "session", "gender", "model1_wa", "model1_uar", "model2_wa", "model2_uar"],
)

#: Last row of Table 1, "10-fold Cross-Validation" (%), as printed. The means of the rows agree with it.
TABLE1_MEAN = {"model1_wa": 62.92, "model1_uar": 59.43, "model2_wa": 64.32, "model2_uar": 62.86}

#: Table 2: mean and ± (%), as printed. The paper's heading is "Accuracy"; for its own models the figures are Table 1's mean
#: UAR and the population SD over the ten folds, truncated to two decimals. The first two lines were taken from other papers.
TABLE2 = pd.DataFrame(
    [
        ("DNN-ELM", None, 51.24, 7.24, "51.24 ± 7.24"),
        ("CNN-LSTM", None, 61.7, None, "61.7"),
        ("Model 1", "model1", 59.43, 11.57, "59.43 ± 11.57"),
        ("Model 2", "model2", 62.86, 9.43, "62.86 ± 9.43"),
    ],
    columns=["method", "model", "uar", "sd", "printed"],
)


def _confusion(*rows):
    index, columns = pd.Index(CLASSES, name="true"), pd.Index(CLASSES, name="predicted")
    return pd.DataFrame(rows, index=index, columns=columns)


#: Table 3: confusion matrix of Model 1, in % of the true class (rows). Each row sums to 100.
TABLE3 = _confusion(
    (69.40, 1.49, 9.62, 19.49),
    (0.54, 69.90, 4.66, 24.90),
    (18.16, 2.23, 30.41, 49.20),
    (10.60, 9.42, 12.08, 67.90),
)

#: Table 4: confusion matrix of Model 2, in % of the true class (rows). The neutral row sums to 99.59.
TABLE4 = _confusion(
    (67.55, 2.50, 11.11, 18.83),
    (0.36, 84.08, 2.27, 13.29),
    (12.97, 5.94, 39.50, 41.58),
    (5.96, 19.18, 14.88, 59.57),
)

#: Table 2's missing row: the UAR and ± (%) of ACRNN, the network that the paper builds on, on the same utterances and without
#: gender. Chen, He, Yang, Zhang, "3-D convolutional recurrent neural networks with attention model for speech emotion
#: recognition", IEEE Signal Processing Letters 25(10), 2018. Table 2's DNN-ELM row is that paper's figure too; its CNN-LSTM
#: row is of Etienne, Fidanza, Petrovskii, Devillers, Schmauch, "CNN+LSTM architecture for speech emotion recognition with data
#: augmentation", Workshop on Speech, Music and Mind, 2018.
ACRNN = {"uar": 64.74, "sd": 5.44}

#: How many improvised utterances of the four classes each speaker of IEMOCAP has (happy without excited), by the
#: corpus's labels: Busso et al., "IEMOCAP: interactive emotional dyadic motion capture database", Language Resources and
#: Evaluation 42(4), 2008. The paper does not print them, and the corpus is licensed, so no test here counts them again.
UTTERANCES = pd.DataFrame(
    [
        (1, "female", 37, 43, 18, 119),
        (1, "male", 25, 61, 15, 104),
        (2, "female", 7, 63, 25, 90),
        (2, "male", 15, 37, 29, 127),
        (3, "female", 22, 108, 39, 95),
        (3, "male", 68, 82, 21, 103),
        (4, "female", 47, 41, 10, 51),
        (4, "male", 37, 40, 21, 123),
        (5, "female", 18, 73, 56, 151),
        (5, "male", 13, 60, 50, 136),
    ],
    columns=["session", "gender", *CLASSES],
).set_index(["session", "gender"])

#: The paper's seeds for each fold (section 3.1).
SEEDS = 5
