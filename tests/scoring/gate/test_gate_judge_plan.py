"""What judges will be asked stands in the plan of `goldwash gate`, and the budget holds for them: a judge and a model on real sockets."""

from __future__ import annotations

import re

import pytest

from scoring.gate.results import read
from scoring.golden.case import CaseCheck, Confirmation, Expected
from tests.helpers import judge as judges
from tests.helpers.golden import JUDGE_PATH, case, judged
from tests.helpers.goldwash import toml
from tests.helpers.upstream import answer

PRICED = "gpt-4.1-2025-04-14"
SECOND = "claude-sonnet-4-5-20250929"
SECOND_PATH = "/judge/v1/messages"
TEXT = "Green, as all teas of this kind are."


@pytest.fixture
def with_judge(shop):
    """A judge whose price is known, beside the shop's model, which says one and the same sentence."""
    shop.says = lambda system, question: f"{TEXT} That was {question}"
    shop.upstream.on(SECOND_PATH, judges.judge())

    def write(model=PRICED, second=None):
        shop.judge()
        calibration = shop.golden / "calibration.json"
        calibration.write_text(calibration.read_text("utf-8").replace(judges.MODEL, model), "utf-8")
        tables = {"judge": {"upstream": "judge", "model": model}}
        if second:
            tables["second_judge"] = {"upstream": "judge", "model": second, "dialect": "anthropic"}
        (shop.directory / "config" / "scoring.toml").write_text(toml({}, tables), "utf-8")

    write()
    return write


def asked(shop, path=JUDGE_PATH):
    """Calls that a judge got."""
    return len(shop.upstream.to(path))


def planned(out):
    """Model, calls and dollars of each judge's line."""
    return [(model, int(calls), float(usd)) for model, calls, usd in re.findall(r"judge (\S+): (?:up to )?(\d+) calls?.*?\$([\d.]+)", out)]


def test_the_plan_counts_as_many_judge_calls_as_the_run_makes(shop, gate, with_judge):
    """A rubric one a run, text one a run, a pair two a run; twice with --repeat 2; and the cost is near what the run then says."""
    expected = Expected(text="Green.")
    pair = CaseCheck(name="pairwise", options={"against": "expected"})
    shop.put([judged(0), judged(1), case(2, expected=expected), case(3, expected=expected, checks=(pair,))])
    done = gate(shop.file, "--plan", "--repeat", "2")
    assert done.code == 0, done.err
    assert "app: 4 cases, 2 runs each: 8 calls; about $" in done.out
    ((model, calls, usd),) = planned(done.out)
    assert (model, calls) == (PRICED, 2 * (1 + 1 + 1 + 3))
    assert "together: 20 calls, about $" in done.out
    assert asked(shop) == 0
    shop.upstream.on(JUDGE_PATH, judges.judge(lambda item, evidence: ("a" if item == "better" else judges.rule(item, evidence)[0], "", 90)))
    gate(shop.file, "--repeat", "2", "--strict")
    assert asked(shop) == calls
    assert 0.0005 < usd / calls < 0.01  # some 400 to 800 tokens at $2 a million, and some tens at $8


def test_what_judges_answered_already_costs_nothing(shop, gate, with_judge):
    """The second plan of the same run asks nobody, and a tiny budget lets it pass."""
    shop.put([judged(0), judged(1)])
    assert len(planned(gate(shop.file, "--plan").out)) == 1
    assert gate(shop.file).code == 0
    done = gate(shop.file, "--plan")
    assert planned(done.out) == []
    assert "2 are answered already; about $0.0000" in done.out
    assert gate(shop.file, "--budget", "0.000001").code == 0
    assert asked(shop) == 2


def test_a_budget_that_the_judges_would_overdraw_refuses(shop, gate, with_judge):
    """The targets alone would fit into it."""
    shop.put([judged(number) for number in range(10)])
    done = gate(shop.file, "--plan")
    targets = float(re.search(r"10 calls; about \$([\d.]+)", done.out)[1])
    ((_, _, usd),) = planned(done.out)
    done = gate(shop.file, "--budget", str(targets + usd / 2))
    assert done.code == 2
    assert "this run would cost about $" in done.err
    assert asked(shop) == 0
    assert gate(shop.file, "--budget", str(targets + usd * 1.1)).code == 0


def test_a_judge_without_a_price_is_said_to_have_none(shop, gate, with_judge):
    """Never 0: the plan and the run say that it is not known, and a budget that could not be kept is refused with the fix."""
    with_judge(judges.MODEL)
    shop.put([judged(0), judged(1)])
    done = gate(shop.file, "--plan")
    assert f"judge {judges.MODEL}: 2 calls" in done.out
    assert "what they cost is not known (no price for the model)" in done.out
    assert re.search(r"together: 4 calls, about \$0\.00\d\d, and what has no price", done.out)
    done = gate(shop.file, "--budget", "10")
    assert done.code == 2
    assert f"the price of the judge {judges.MODEL} is not known; add it to the file that [prices] file names" in done.err
    done = gate(shop.file)
    assert "what judging 2 answers cost is not known" in done.out


def test_a_second_judge_stands_there_with_what_it_may_be_asked(shop, gate, with_judge):
    """At most, beside the estimate and not in it; a case that the first may not grade is the second's own."""
    with_judge(second=SECOND)
    barred = (Confirmation(by="judge", who="gpt-4.1", family="openai", verdict="fail", at="2026-11-20T00:00:00Z"),)
    shop.put([judged(0), judged(1, confirmation=barred)])
    done = gate(shop.file, "--plan")
    lines = [line.strip() for line in done.out.splitlines() if "judge " in line]
    assert [re.sub(r"\$[\d.]+", "$", line) for line in lines] == [
        f"judge {PRICED}: 1 call, fewer where code alone finds a failure; about $",
        f"judge {SECOND}: 1 call, fewer where code alone finds a failure; about $",
        f"judge {SECOND}: up to 1 call more, where a failure must be confirmed or no verdict came; about $",
    ]
    assert "together: 4 calls" in done.out


def test_a_plan_says_where_a_judge_is_missing(shop, gate):
    """Such a run could only end with 4, so it is said before anything is paid."""
    shop.put([judged(0), case(1)])
    done = gate(shop.file, "--plan")
    assert "1 answer to be judged, and no judge is configured: [judge] in config/scoring.toml names one" in done.out


def test_a_budget_that_is_spent_asks_no_judge(shop, gate, with_judge):
    """A judge that turns out dearer than planned: it stops, the rest is not measured, and what was answered stands in the file."""
    shop.write(concurrency=1)
    shop.put([judged(number) for number in range(6)])

    def dear(request):
        asked = judges.Asked(bytes(request.body))
        body = judges.wrapped(asked, judges.graded(asked)).replace(b'"completion_tokens": 100', b'"completion_tokens": 100000')
        return answer(200, [("Content-Type", "application/json")], body)

    gate(shop.file)  # every answer is known from here on: only judges are left to be paid
    (shop.directory / "data" / "gate" / "cache" / "judges.json").unlink()
    shop.upstream.on(JUDGE_PATH, dear)
    before = asked(shop)
    done = gate(shop.file, "--budget", "0.5")
    assert done.code == 4
    assert asked(shop) - before == 1
    assert "the budget of $0.5 is spent: raise --budget, or run fewer cases" in done.out
    assert [row.passed for row in read(shop.results()[-1]).rows].count(None) == 5
