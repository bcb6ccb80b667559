"""The claims that runs decide: one entry each. To add one, add an entry; `rules` has the kinds of rules."""

from sermodules.evidence import paper
from sermodules.evidence.claims.configurations import MAX_POOLING, MEAN_POOLING, MODEL1, MODEL2, NO_GENDER, Cell
from sermodules.evidence.claims.entry import Claim
from sermodules.evidence.claims.figures import GAIN, LEAD, NO_FIGURE, SD, SPREADS, Figure, percent, points, recall
from sermodules.evidence.claims.rules import (
    AS_NEUTRAL,
    Difference,
    OpenScore,
    Replicated,
    SeedRange,
    Spread,
    Untestable,
    Within,
    recognised_best,
    recognised_worst,
)
from sermodules.evidence.paper import TABLE1_MEAN, TABLE3, TABLE4
from sermodules.evidence.statistics import ROPE

_ONE_TO_TWO = Figure("+1 to +2 points of overall accuracy")
_SAVED = f"{paper.mistakes_saved(1):.1f} to {paper.mistakes_saved(2):.1f} %"
_RECALL_GAIN = paper.recall_differences()


def _more_than_recognised(table):
    """Report by how much more happy is taken for neutral than recognised."""
    return points(table.loc["happy", "neutral"] - table.loc["happy", "happy"])


CORPUS = (
    # self-attention
    Claim(
        "self-attention-beats-attention",
        "With gender given to both, self-attention (Model 2) has a higher UAR than attention (Model 1).",
        where="abstract; sections 1, 3.4, 4; Table 1",
        figure=points(GAIN["uar"]),
        rule=Difference(MODEL2, MODEL1),
    ),
    Claim(
        "self-attention-adds-3-43-points",
        "What self-attention adds to the UAR on IEMOCAP is 3.43 points.",
        where="abstract; section 3.4; Table 1",
        figure=points(GAIN["uar"]),
        rule=Replicated((MODEL2, MODEL1), "uar"),
        only_iemocap=True,
    ),
    Claim(
        "self-attention-more-precise",
        "Model 2 recognises more utterances than Model 1.",
        where='section 3.4 ("more precise results"); Tables 1, 3 and 4',
        source="reading",
        figure=points(GAIN["wa"], of=" WA"),
        rule=Difference(MODEL2, MODEL1, ("wa",)),
    ),
    Claim(
        "self-attention-more-stable",
        "The UAR of Model 2 varies less from speaker to speaker than that of Model 1.",
        where="Table 2 (section 1 speaks of stable results, of no model in particular)",
        source="tables",
        figure=SPREADS,
        rule=Spread(MODEL1, MODEL2),
    ),
    Claim(
        "self-attention-beats-mean-pooling",
        "Self-attention has a higher UAR than a plain mean over time.",
        where='section 2.2.2 (used "instead of simply conducting a mean/max pooling over time")',
        source="reading",
        figure=NO_FIGURE,
        rule=Difference(MODEL2, MEAN_POOLING),
    ),
    Claim(
        "self-attention-beats-max-pooling",
        "Self-attention has a higher UAR than a plain maximum over time.",
        where='section 2.2.2 (used "instead of simply conducting a mean/max pooling over time")',
        source="reading",
        figure=NO_FIGURE,
        rule=Difference(MODEL2, MAX_POOLING),
    ),
    Claim(
        "self-attention-faster",
        "Self-attention is much faster than attention on top of a recurrent network.",
        where="section 1",
        figure=NO_FIGURE,
        rule=Untestable(
            "seconds of training an epoch of both models on one machine that does nothing else",
            needs="both models timed alone on one machine; runs of a study share theirs",
        ),
    ),
    # gender
    Claim(
        "gender-helps",
        "Telling Model 2 the speaker's gender raises its UAR.",
        where="abstract; sections 3.4, 4",
        figure=_ONE_TO_TWO,
        rule=Difference(MODEL2, NO_GENDER),
    ),
    Claim(
        "gender-adds-1-to-2-points",
        "What gender adds to Model 2 on IEMOCAP lies between 1 and 2 points (open: of WA or of UAR; here both).",
        where="section 4 (overall accuracy; elsewhere the paper calls its UAR accuracy)",
        figure=_ONE_TO_TWO,
        rule=OpenScore(
            tuple(Difference(MODEL2, NO_GENDER, (score,), least=1, most=2) for score in ("uar", "wa")),
        ),
        only_iemocap=True,
    ),
    Claim(
        "gender-reduces-mistakes",
        "Telling Model 2 the speaker's gender clearly lowers the number of its mistakes.",
        where="section 4",
        figure=Figure(f"significantly fewer, at +1 to +2 points (that is {_SAVED} of them)"),
        rule=Difference(MODEL2, NO_GENDER, ("wa",)),
    ),
    Claim(
        "gender-cures-neutral-bias",
        "Without gender many utterances of other classes are taken for neutral; with it fewer are.",
        where="sections 3.4, 4",
        figure=NO_FIGURE,
        rule=Difference(NO_GENDER, MODEL2, AS_NEUTRAL),
    ),
    # the scores of Table 1, and the methods of Table 2
    Claim(
        "model-1-uar",
        "Model 1 reaches this UAR on IEMOCAP, leave-one-speaker-out.",
        where="Table 1; Table 2",
        figure=percent(TABLE1_MEAN["model1_uar"], spread=f" ± {SD['model1']}"),
        rule=Replicated((MODEL1,), "uar"),
        only_iemocap=True,
    ),
    Claim(
        "model-1-wa",
        "Model 1 reaches this WA on IEMOCAP, leave-one-speaker-out.",
        where="Table 1",
        figure=percent(TABLE1_MEAN["model1_wa"]),
        rule=Replicated((MODEL1,), "wa"),
        only_iemocap=True,
    ),
    Claim(
        "model-2-uar",
        "Model 2 reaches this UAR on IEMOCAP, leave-one-speaker-out.",
        where="Table 1; Table 2",
        figure=percent(TABLE1_MEAN["model2_uar"], spread=f" ± {SD['model2']}"),
        rule=Replicated((MODEL2,), "uar"),
        only_iemocap=True,
    ),
    Claim(
        "model-2-wa",
        "Model 2 reaches this WA on IEMOCAP, leave-one-speaker-out.",
        where="Table 1",
        figure=percent(TABLE1_MEAN["model2_wa"]),
        rule=Replicated((MODEL2,), "wa"),
        only_iemocap=True,
    ),
    Claim(
        "model-2-beats-dnn-elm",
        "Model 2 has a higher UAR than DNN-ELM.",
        where="sections 1, 3.3, 4; Table 2",
        figure=points(LEAD["DNN-ELM"]),
        rule=Difference(MODEL2, Cell("dnn_elm"), on=("speaker",)),
    ),
    Claim(
        "model-2-beats-cnn-lstm",
        "Model 2 has a higher UAR than CNN-LSTM.",
        where="sections 1, 3.3, 4; Table 2",
        figure=points(LEAD["CNN-LSTM"]),
        rule=Difference(MODEL2, Cell("cnn_lstm_vtlp"), on=("speaker",)),
    ),
    Claim(
        "network-matches-classical-features",
        "Model 2 does at least as well as classical features with a classical classifier.",
        where="ours, after section 2.2.2, which says so of earlier networks",
        source="ours",
        figure=NO_FIGURE,
        rule=Difference(MODEL2, Cell("svm_compare"), slack=ROPE, on=("speaker",)),
    ),
    # the recalls of Tables 3 and 4
    Claim(
        "sad-recognised-best-model-1",
        "Model 1 recognises sad best of the four classes.",
        where="section 3.4; Table 3",
        figure=recall(TABLE3, "sad"),
        rule=recognised_best(MODEL1, "sad"),
    ),
    Claim(
        "happy-recognised-worst-model-1",
        "Model 1 recognises happy worst of the four classes.",
        where="section 3.4; Table 3",
        figure=recall(TABLE3, "happy"),
        rule=recognised_worst(MODEL1, "happy"),
    ),
    Claim(
        "sad-recognised-best-model-2",
        "Model 2 recognises sad best of the four classes.",
        where="section 3.4; Table 4",
        figure=recall(TABLE4, "sad"),
        rule=recognised_best(MODEL2, "sad"),
    ),
    Claim(
        "happy-recognised-worst-model-2",
        "Model 2 recognises happy worst of the four classes.",
        where="section 3.4; Table 4",
        figure=recall(TABLE4, "happy"),
        rule=recognised_worst(MODEL2, "happy"),
    ),
    Claim(
        "happy-taken-for-neutral-model-1",
        "Model 1 takes happy for neutral more often than it recognises it.",
        where="Table 3",
        source="tables",
        figure=_more_than_recognised(TABLE3),
        rule=Within(MODEL1, "happy_as_neutral", ("recall_happy",)),
    ),
    Claim(
        "happy-taken-for-neutral-model-2",
        "Model 2 takes happy for neutral more often than it recognises it.",
        where="Table 4",
        source="tables",
        figure=_more_than_recognised(TABLE4),
        rule=Within(MODEL2, "happy_as_neutral", ("recall_happy",)),
    ),
    Claim(
        "self-attention-costs-angry",
        "The recall of angry is lower in Model 2 than in Model 1.",
        where="Tables 3 and 4",
        source="tables",
        figure=points(_RECALL_GAIN["angry"]),
        rule=Difference(MODEL2, MODEL1, ("recall_angry",), sign=-1),
    ),
    Claim(
        "self-attention-lifts-sad",
        "The recall of sad is higher in Model 2 than in Model 1.",
        where="Tables 3 and 4",
        source="tables",
        figure=points(_RECALL_GAIN["sad"]),
        rule=Difference(MODEL2, MODEL1, ("recall_sad",)),
    ),
    Claim(
        "self-attention-lifts-happy",
        "The recall of happy is higher in Model 2 than in Model 1.",
        where="Tables 3 and 4",
        source="tables",
        figure=points(_RECALL_GAIN["happy"]),
        rule=Difference(MODEL2, MODEL1, ("recall_happy",)),
    ),
    Claim(
        "self-attention-costs-neutral",
        "The recall of neutral is lower in Model 2 than in Model 1.",
        where="Tables 3 and 4",
        source="tables",
        figure=points(_RECALL_GAIN["neutral"]),
        rule=Difference(MODEL2, MODEL1, ("recall_neutral",), sign=-1),
    ),
    # seeds and speakers
    Claim(
        "seeds-matter",
        "Other initial weights give a wide range of outcomes: wider than the two models differ, here and in the paper.",
        where='section 3.1 ("a wide range of outcomes"; how wide is not said, the comparison is ours)',
        source="reading",
        figure=Figure(f"wide range (no figure; the models differ by {GAIN['uar']:.2f} points)"),
        rule=SeedRange(MODEL2, MODEL1, reported=round(GAIN["uar"], 2)),
    ),
    Claim(
        "speakers-matter",
        "The UAR depends much on the speaker: its SD over the speakers exceeds the SD over the seeds.",
        where="section 2.2.1",
        figure=Figure(f"± {SD['model2']} over the folds of Model 2; no figure for the seeds"),
        rule=Untestable(
            "Model 2: SD of the UAR over the speakers, less what the drawing of their utterances explains, over the SD of the"
            " seeds within a fold",
            needs="more utterances a speaker, or a model of how they are drawn: the SD over the folds holds that draw, which"
            " all seeds share, so it can exceed the SD over the seeds even if all speakers are alike",
        ),
    ),
    # input and network
    Claim(
        "deltas-help",
        "Deltas and delta-deltas keep what is emotional and lessen what is not, so fewer utterances are mistaken.",
        where="abstract; sections 1, 2.2.1",
        figure=Figure("no figure (presumed)"),
        rule=Untestable(
            "difference of UAR, with deltas less without",
            needs="runs without deltas, which no setting of a run gives",
        ),
    ),
    Claim(
        "waveform-scaling-helps",
        "Scaling each waveform to zero mean and unit variance lessens the differences between speakers.",
        where="section 2.2.1",
        figure=NO_FIGURE,
        rule=Untestable(
            "ratio of the SDs of UAR over the folds, without the scaling over with it",
            needs="runs with normalise_waveform yes and no beside each other, which the ledger keeps apart",
        ),
    ),
    Claim(
        "linear-layer-keeps-accuracy",
        "A linear layer before the LSTM saves parameters at no cost in accuracy.",
        where="section 2.2.2",
        figure=NO_FIGURE,
        rule=Untestable(
            "difference of UAR, with the layer less without",
            needs="runs without the linear layer, which no setting of a run gives",
        ),
    ),
)
