import numpy as np
import pytest
from tests.fakes.scored_nets import CLASSES, scored_nets

from edge_infer.lab.reproduce.imagenet_rules import RULES, Judge
from edge_infer.lab.reproduce.imagenet_stack import Stack

COUNT = 400
HALF = np.arange(0, COUNT, 2)
ROW = (0, 1, 3)


@pytest.fixture(scope="module")
def judge() -> Judge:
    found = Judge(scored_nets(COUNT), np.arange(COUNT))
    found.calibrate(HALF)
    return found


def test_the_score_margin_is_the_nets_own(judge: Judge) -> None:
    judged = judge.judge(ROW, "score-margin")
    scores = np.sort(scored_nets(COUNT)[0].logits.astype(float), axis=1)
    assert judged.confidence[0] == pytest.approx(scores[:, -1] - scores[:, -2])
    assert (judged.answers == judge.answers[list(ROW)]).all()


def test_entropy_is_surest_where_one_class_has_all(judge: Judge) -> None:
    logits = scored_nets(COUNT)[0].logits.astype(float)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    entropy = -(shares * np.log(shares)).sum(axis=1)
    assert judge.judge(ROW, "entropy").confidence[0] == pytest.approx(-entropy)


def test_agreement_takes_what_two_nets_say_alike_and_nothing_of_the_first(judge: Judge) -> None:
    sure = judge.judge(ROW, "agreement").confidence
    alike = judge.answers[0] == judge.answers[1]
    assert (np.isinf(sure[1]) == alike).all()
    assert np.isfinite(sure[0]).all()


def test_stacked_nets_know_more_than_the_better_one(judge: Judge) -> None:
    judged = judge.judge((0, 3), "stacked")
    test = np.arange(1, COUNT, 2)
    right = (judged.answers == judge.labels)[:, test].mean(axis=1)
    alone = (judge.answers[3] == judge.labels)[test].mean()
    assert right[1] > alone


def test_a_deferral_model_judges_no_picture_by_its_own_label(judge: Judge) -> None:
    nets = scored_nets(COUNT)
    before = judge.judge(ROW, "deferral").confidence
    for net in nets:
        net.labels[HALF[7]] = (net.labels[HALF[7]] + 1) % CLASSES
    other = Judge(nets, np.arange(COUNT))
    other.calibrate(HALF)
    # A label of another part changes the stack's weights alone, by a four-hundredth.
    after = other.judge((0, 3), "deferral").confidence
    assert after[0, HALF[7]] == pytest.approx(before[0, HALF[7]], abs=0.05)


@pytest.mark.parametrize("rule", RULES)
def test_who_is_surer_is_more_often_right(judge: Judge, rule: str) -> None:
    judged = judge.judge(ROW, rule)  # type: ignore[arg-type]
    right = judged.answers == judge.labels
    for sure, answers in zip(judged.confidence, right, strict=False):
        upper = sure > np.median(sure)
        if upper.any() and (~upper).any():
            assert answers[upper].mean() > answers[~upper].mean()


def test_expected_right_is_near_the_share_of_right_answers(judge: Judge) -> None:
    expected = judge.expected(judge.answers).mean(axis=1)
    right = (judge.answers == judge.labels).mean(axis=1)
    assert expected == pytest.approx(right, abs=0.05)


def test_one_nets_weight_is_the_inverse_of_its_temperature() -> None:
    random = np.random.default_rng(3)
    logits = random.normal(0, 2, (4000, 6))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (shares.cumsum(axis=1) > random.random((4000, 1))).argmax(axis=1)
    stack = Stack([logits * 2.5], labels)
    weights = stack.fit((0,), np.arange(4000))
    assert weights == pytest.approx([1 / 2.5], rel=0.1)
    assert stack.shares((0,), weights).sum(axis=1) == pytest.approx(1)


def test_a_class_that_no_net_names_has_no_share() -> None:
    logits = np.zeros((2, 12))
    logits[:, :8] = 5 + np.arange(8)
    stack = Stack([logits], np.array([3, 11]))
    shares = stack.shares((0,), np.ones(1))
    assert stack.share_of(shares, np.array([7, 11]))[1] == 0
    assert stack.answers(shares).tolist() == [7, 7]
