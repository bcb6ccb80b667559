"""The claims that the paper's own figures decide: one entry each. To add one, add an entry; `checks` has what judges it."""

from sermodules.evidence.claims import checks
from sermodules.evidence.claims.checks import Printed
from sermodules.evidence.claims.entry import Claim
from sermodules.evidence.claims.figures import (
    GAIN,
    LEAD,
    NO_FIGURE,
    SD,
    SPREADS,
    Figure,
    listed,
    percent,
    points,
    recall,
)
from sermodules.evidence.paper import TABLE1_MEAN, TABLE3, TABLE4

ARITHMETIC = (
    # Table 1, and Table 2 against it
    Claim(
        "table-1-means-agree",
        "The last row of Table 1 is the mean of its ten rows.",
        where="Table 1",
        figure=Figure(listed(TABLE1_MEAN.values())),
        rule=Printed(checks.means_agree),
    ),
    Claim(
        "sd-is-over-folds",
        "The ± of Table 2 is the population SD over the ten folds (the text speaks of repetitions with five seeds).",
        where="Table 2; section 3.1",
        figure=Figure(listed(SD.values())),
        rule=Printed(checks.sds_are_over_folds),
    ),
    Claim(
        "improvement-is-3-43",
        "Model 2's mean UAR is higher than Model 1's by 3.43 in absolute points (the paper writes %).",
        where="abstract; section 3.4",
        figure=Figure("3.43 %", 3.43),
        rule=Printed(checks.mean_difference_is, 3.43),
    ),
    Claim(
        "model-2-better-uar-as-printed",
        "The ten folds of Table 1 show that Model 2 has the higher UAR.",
        where="sections 3.3, 3.4, 4; Table 1",
        figure=points(GAIN["uar"]),
        rule=Printed(checks.model_2_is_better, "uar"),
    ),
    Claim(
        "model-2-better-wa-as-printed",
        "The ten folds of Table 1 show that Model 2 has the higher WA.",
        where="section 3.4; Table 1",
        figure=points(GAIN["wa"]),
        rule=Printed(checks.model_2_is_better, "wa"),
    ),
    Claim(
        "model-2-more-stable-as-printed",
        "The ten folds of Table 1 show that the UAR of Model 2 varies less than that of Model 1.",
        where="Table 2",
        source="tables",
        figure=SPREADS,
        rule=Printed(checks.model_2_is_more_stable),
    ),
    Claim(
        "model-2-beats-dnn-elm-as-printed",
        "The printed figures show that Model 2 has a higher UAR than DNN-ELM, a figure of another paper.",
        where="sections 1, 3.3, 4; Table 2",
        figure=points(LEAD["DNN-ELM"]),
        rule=Printed(checks.model_2_beats, "DNN-ELM"),
    ),
    Claim(
        "model-2-beats-cnn-lstm-as-printed",
        "The printed figures show that Model 2 has a higher UAR than CNN-LSTM, a figure of another paper.",
        where="sections 1, 3.3, 4; Table 2",
        figure=points(LEAD["CNN-LSTM"]),
        rule=Printed(checks.model_2_beats, "CNN-LSTM"),
    ),
    Claim(
        "table-1-has-three-others",
        "Table 1 shows Model 2 beside three other models.",
        where="section 3.3",
        figure=Figure("3 other models", 3.0),
        rule=Printed(checks.others_in_table_1, 3),
    ),
    # how the scores are defined, and the corpus
    Claim(
        "ua-is-a-weighted-average",
        "UA (UAR) weights the classes' accuracies by their sizes.",
        where="section 3.4",
        figure=Figure(listed([TABLE1_MEAN["model1_uar"], TABLE1_MEAN["model2_uar"]])),
        rule=Printed(checks.uar_is_weighted),
    ),
    Claim(
        "neutral-share-is-48-2",
        "Of the improvised utterances of the four classes 48.2 % are neutral (so happy leaves out excited).",
        where="section 3.4",
        figure=Figure("48.2 %", 48.2),
        rule=Printed(checks.neutral_share_is, 48.2),
    ),
    # Tables 3 and 4
    Claim(
        "table-3-rows-sum-to-100",
        "Each row of Table 3 sums to 100 %.",
        where="Table 3",
        figure=Figure("100 %", 100.0),
        rule=Printed(checks.rows_sum_to_100, "model1"),
    ),
    Claim(
        "table-4-rows-sum-to-100",
        "Each row of Table 4 sums to 100 %.",
        where="Table 4",
        figure=Figure("100 %", 100.0),
        rule=Printed(checks.rows_sum_to_100, "model2"),
    ),
    Claim(
        "table-3-agrees-with-uar",
        "Table 3 gives the UAR that Table 1 gives for Model 1.",
        where="Tables 1 and 3",
        figure=percent(TABLE1_MEAN["model1_uar"]),
        rule=Printed(checks.agrees_with_table_1, "model1", "uar"),
    ),
    Claim(
        "table-3-agrees-with-wa",
        "Table 3 gives the WA that Table 1 gives for Model 1.",
        where="Tables 1 and 3",
        figure=percent(TABLE1_MEAN["model1_wa"]),
        rule=Printed(checks.agrees_with_table_1, "model1", "wa"),
    ),
    Claim(
        "table-4-agrees-with-uar",
        "Table 4 gives the UAR that Table 1 gives for Model 2.",
        where="Tables 1 and 4",
        figure=percent(TABLE1_MEAN["model2_uar"]),
        rule=Printed(checks.agrees_with_table_1, "model2", "uar"),
    ),
    Claim(
        "table-4-agrees-with-wa",
        "Table 4 gives the WA that Table 1 gives for Model 2.",
        where="Tables 1 and 4",
        figure=percent(TABLE1_MEAN["model2_wa"]),
        rule=Printed(checks.agrees_with_table_1, "model2", "wa"),
    ),
    Claim(
        "sad-recognised-best-model-1-as-printed",
        "In the printed Table 3 Model 1 recognises sad best of the four classes.",
        where="section 3.4; Table 3",
        figure=recall(TABLE3, "sad"),
        rule=Printed(checks.recognised_best, "model1", "sad"),
    ),
    Claim(
        "happy-recognised-worst-model-1-as-printed",
        "In the printed Table 3 Model 1 recognises happy worst of the four classes.",
        where="section 3.4; Table 3",
        figure=recall(TABLE3, "happy"),
        rule=Printed(checks.recognised_worst, "model1", "happy"),
    ),
    Claim(
        "sad-recognised-best-model-2-as-printed",
        "In the printed Table 4 Model 2 recognises sad best of the four classes.",
        where="section 3.4; Table 4",
        figure=recall(TABLE4, "sad"),
        rule=Printed(checks.recognised_best, "model2", "sad"),
    ),
    Claim(
        "happy-recognised-worst-model-2-as-printed",
        "In the printed Table 4 Model 2 recognises happy worst of the four classes.",
        where="section 3.4; Table 4",
        figure=recall(TABLE4, "happy"),
        rule=Printed(checks.recognised_worst, "model2", "happy"),
    ),
    Claim(
        "model-2-more-precise-as-printed",
        "In the printed Tables 3 and 4 Model 2 recognises more utterances than Model 1.",
        where='section 3.4 ("more precise results"); Tables 3 and 4',
        source="reading",
        figure=NO_FIGURE,
        rule=Printed(checks.model_2_recognises_more),
    ),
    # seeds, and the network
    Claim(
        "wa-is-the-mean-of-five-seeds",
        "Each WA of Table 1 is the mean of five runs tested on the speaker whom the row names.",
        where="section 3.1; Table 1",
        figure=Figure("ten values a model"),
        rule=Printed(checks.wa_are_means_of_five_seeds),
    ),
    Claim(
        "linear-layer-saves-parameters",
        "The linear layer before the LSTM saves parameters.",
        where="section 2.2.2",
        figure=NO_FIGURE,
        rule=Printed(checks.linear_layer_saves_parameters),
    ),
)
