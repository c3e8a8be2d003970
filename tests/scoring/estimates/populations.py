"""Populations whose failure rate is known: real verdicts beside human labels, resampled, and simulated ones of every awkward shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from scoring.estimates.sample import Floats, Sample

EVALDATA = Path(__file__).parents[4] / "shared" / "evaldata"
ROWS = 2_000
"""Judged rows of one sample."""

Population = Callable[[np.random.Generator, int], Sample]
"""Draws a sample with about so many labels."""
Known = tuple[float, Population]
"""The true failure rate, and the population."""


def resampled(verdict: Floats, label: Floats) -> Known:
    """Rows drawn with replacement from real ones; labels fall on them at random."""

    def population(random: np.random.Generator, labels: int) -> Sample:
        rows = random.integers(len(verdict), size=ROWS)
        return plain(verdict[rows], shown(random, label[rows], labels))

    return float(label.mean()), population


def real() -> dict[str, Known]:
    """The sets of the evaluation data; 1 = failure. docs/estimates.md says where each is cut."""
    import duckdb

    sql = {
        **{
            f"PandaLM, {name}": f"""
            SELECT CASE {column} WHEN '2' THEN 1.0 WHEN '1' THEN 0.0 WHEN 'Tie' THEN 0.0 END,
                (CASE WHEN annotator1 IN (annotator2, annotator3) THEN annotator1 ELSE annotator2 END = 2)::DOUBLE FROM '{EVALDATA}/pandalm.parquet'
            WHERE (annotator1 IN (annotator2, annotator3) AND annotator1 > 0) OR (annotator2 = annotator3 AND annotator2 > 0) ORDER BY idx"""
            for name, column in (("gpt-3.5-turbo", "gpt_result"), ("PandaLM-7B", "pandalm_result"))
        },
        **{
            f"LLMBar, {judge}": f"""
            SELECT CASE v0 WHEN '2' THEN 1.0 WHEN '1' THEN 0.0 END, (human = '2')::DOUBLE FROM '{EVALDATA}/llmbar.parquet'
            WHERE dataset LIKE 'llmbar:LLMBar/%' AND judge = '{judge}' ORDER BY dataset, item"""
            for judge in ("GPT-4/Rating_Metrics_Reference", "PaLM2/Vanilla", "ChatGPT/Vanilla")
        },
        **{
            f"LLM-Rubric, {question} at most {most}": f"""
            SELECT (answer1_prob + 2 * answer2_prob + 3 * answer3_prob + 4 * answer4_prob < {below})::DOUBLE, (h.{question} <= {most})::DOUBLE
            FROM '{EVALDATA}/llmrubric_real_human.parquet' h JOIN '{EVALDATA}/llmrubric_real_gpt.parquet' g
            ON g.text_id = h.text_id AND g.criterion = '{question}' ORDER BY h.text_id"""
            for question, most, below in (("Q0", 2, 3.0), ("Q0", 1, 3.0), ("Q6", 2, 2.5))
        },
    }
    found = {}
    for name, query in sql.items():
        verdict, label = (np.array(column, np.float64) for column in zip(*duckdb.sql(query).fetchall(), strict=True))
        found[name] = resampled(verdict, label)
    return found


JUDGES = {"good": (0.9, 0.95), "middling": (0.7, 0.9), "weak": (0.3, 0.9), "passes all": (0.0, 1.0)}
"""TPR and TNR."""


def simulated(rate: float, tpr: float, tnr: float, rows: int = ROWS, unscored: float = 0.0) -> Known:
    """Independent rows; `unscored` is the share of passes without a verdict, failures are four times as often without one."""

    def population(random: np.random.Generator, labels: int) -> Sample:
        truth = failing(random, np.full(rows, rate))
        verdict = judged(random, truth, tpr, tnr)
        verdict[random.random(rows) < unscored * np.where(truth == 1, 4.0, 1.0)] = np.nan
        return plain(verdict, shown(random, truth, labels))

    return rate, population


def weighted(rate: float, by: str) -> Known:
    """A tenth of 21,000 items is at risk and fails five times as often; half of it is drawn, and a twentieth of the rest.

    by: whose labels are likelier, and known to be: "all" alike, "risk" (7 to 3), "fail" verdicts (10 to 1), "pass" verdicts (3 to 1).
    """

    def population(random: np.random.Generator, labels: int) -> Sample:
        risk = random.random(21_000) < 0.1
        truth = failing(random, np.where(risk, 5.0, 1.0) * rate / 1.4)
        p = np.where(risk, 0.5, 0.05)
        drawn = random.random(len(p)) < p
        risk, truth, p = risk[drawn], truth[drawn], p[drawn]
        verdict = judged(random, truth, 0.7, 0.93)
        if by == "all":
            return plain(verdict, shown(random, truth, labels), p=p)
        weight = np.where(risk, 7.0, 3.0) if by == "risk" else np.where(verdict == 1, 10.0, 1.0) if by == "fail" else 3.0 - 2.0 * verdict
        p_label = np.minimum(weight * labels / weight.sum(), 1.0)
        return plain(verdict, np.where(random.random(len(p)) < p_label, truth, np.nan), p=p, p_label=p_label)

    return rate, population


def traces(rate: float, alike: float, whole: bool) -> Known:
    """Traces of 12 steps that fail together (intraclass correlation `alike`); labels fall on steps, or on whole traces."""

    def population(random: np.random.Generator, labels: int) -> Sample:
        number = ROWS // 12
        own = failing(random, np.full(number, rate)) if alike >= 1 else np.full(number, rate)
        if 0 < alike < 1:
            own = random.beta(rate * (1 / alike - 1), (1 - rate) * (1 / alike - 1), number)
        truth = failing(random, np.repeat(own, 12))
        cluster = np.repeat(np.arange(number), 12)
        if whole:
            chosen = random.permutation(number)[: max(2, round(labels / 12))]
            label = np.where(np.isin(cluster, chosen), truth, np.nan)
        else:
            label = shown(random, truth, labels)
        return plain(judged(random, truth, 0.7, 0.9), label, cluster=cluster)

    return rate, population


def stratified(rate: float, number: int, *, evenly: bool = False) -> Known:
    """Strata of very different size and failure rate; `evenly`: as many labels for each, and nobody says so."""
    fixed = np.random.default_rng(5)
    size, factor = fixed.dirichlet(np.ones(number)), fixed.gamma(1.0, 1.0, number)
    rates = np.minimum(rate * factor / (size @ factor), 0.95)

    def population(random: np.random.Generator, labels: int) -> Sample:
        stratum = random.choice(number, ROWS, p=size)
        truth = failing(random, rates[stratum])
        label = shown(random, truth, labels)
        if evenly:
            label = np.full(ROWS, np.nan)
            for one in range(number):
                rows = random.permutation(np.flatnonzero(stratum == one))[: labels // number]
                label[rows] = truth[rows]
        return plain(judged(random, truth, 0.7, 0.93), label, stratum=stratum)

    return float(size @ rates), population


def plain(
    verdict: Floats,
    label: Floats,
    p: Floats | None = None,
    p_label: Floats | None = None,
    stratum: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
) -> Sample:
    """A sample from arrays as they are, quicker than by columns."""
    n = len(verdict)
    names = ("",) if stratum is None else tuple(f"s{code}" for code in range(stratum.max() + 1))
    return Sample(
        verdict, label, np.ones(n) if p is None else p, p_label, np.zeros(n, np.int64) if stratum is None else stratum, names, cluster
    )


def failing(random: np.random.Generator, rates: Floats) -> Floats:
    """1.0 where a row fails."""
    return (random.random(len(rates)) < rates).astype(np.float64)


def judged(random: np.random.Generator, truth: Floats, tpr: float, tnr: float) -> Floats:
    """A judge's verdicts."""
    return (random.random(len(truth)) < np.where(truth == 1, tpr, 1 - tnr)).astype(np.float64)


def shown(random: np.random.Generator, truth: Floats, labels: int) -> Floats:
    """The truth of so many random rows, nan elsewhere."""
    label = np.full(len(truth), np.nan)
    rows = random.permutation(len(truth))[:labels]
    label[rows] = truth[rows]
    return label
