"""Says how old a golden set has become: cases whose model, tools, prompt or feature are gone, growth by month, who vouches for it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from scoring import wanted
from scoring.estimates.proportions import Interval, difference
from scoring.golden.case import HELD, GoldenCase

FEWEST: Final = 50
"""Exchanges of a feature below which what was not seen may only be rare."""
FEW: Final = 100
"""Observations on each side below which nothing is said of a trend."""
ONE_JUDGE: Final = 0.5
"""Share of the held cases, confirmed by judges of one family alone, from which it is said that nobody else has looked."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last weeks' traffic of a feature holds."""

    exchanges: int
    models: frozenset[str]
    prompt_versions: frozenset[str]
    tools: frozenset[str] | None = None  # offered; None = no bodies were looked at


@dataclass(frozen=True, slots=True)
class Gone:
    """A case that asks what is not asked any more."""

    case: str
    status: str
    what: str  # feature | model | prompt_version | tools
    why: str


@dataclass(frozen=True, slots=True)
class Trend:
    """How a failure share moved: the later weeks less the earlier ones."""

    name: str
    hits: int
    n: int
    hits_before: int
    n_before: int

    @property
    def change(self) -> Interval | None:
        """None where either side has too few."""
        if min(self.n, self.n_before) < FEW:
            return None
        return difference(self.hits, self.n, self.hits_before, self.n_before)


@dataclass(frozen=True, slots=True)
class Month:
    """What a month brought, by the confirmations in the files."""

    month: str  # 2026-03
    confirmed: int
    retired: int


def gone(cases: Iterable[GoldenCase], seen: Mapping[str, Seen]) -> list[Gone]:
    """Cases of the log that the traffic has left behind; seen: by feature, '' = none. Cases without an exchange say nothing of it."""
    found = []
    for case in cases:
        if case.source.exchange_id is None or case.status == "retired":
            continue
        feature = case.source.feature or ""
        now = seen.get(feature)
        if now is None:
            if feature and sum(one.exchanges for one in seen.values()) >= FEWEST:
                found.append(Gone(case.id, case.status, "feature", f"feature {feature} has no traffic any more"))
            continue
        if now.exchanges < FEWEST:
            continue
        version, model = case.source.prompt_version, case.source.request_model
        if version and now.prompt_versions and version not in now.prompt_versions:
            newest = ", ".join(sorted(now.prompt_versions)[:3])
            found.append(Gone(case.id, case.status, "prompt_version", f"prompt version {version} is not used any more, {newest} is"))
        if model and model not in now.models:
            found.append(Gone(case.id, case.status, "model", f"{model} is not asked any more, {', '.join(sorted(now.models)[:3])} is"))
        lost = {tool.name for tool in wanted.tools(case.input.body)[0]} - now.tools if now.tools is not None else set()
        if lost:
            found.append(Gone(case.id, case.status, "tools", f"{', '.join(sorted(lost)[:3])} is not offered any more"))
    return found


def months(cases: Iterable[GoldenCase], most: int = 12) -> list[Month]:
    """Growth by month, the last ones, oldest first."""
    confirmed, retired = Counter[str](), Counter[str]()
    for case in cases:
        if case.confirmation:
            confirmed[min(one.at for one in case.confirmation)[:7]] += 1
        at = case.metadata.get("retired", {}).get("at") if isinstance(case.metadata.get("retired"), dict) else None
        if at:
            retired[str(at)[:7]] += 1
    return [Month(month, confirmed[month], retired[month]) for month in sorted(confirmed.keys() | retired.keys())[-most:]]


def one_judge(cases: Iterable[GoldenCase], graders: frozenset[str]) -> list[str]:
    """Warnings where one family of judges finds, confirms and grades. graders: families of the judges that grade."""
    held = [case for case in cases if case.status in HELD]
    alone = [case for case in held if case.confirmation and all(one.by == "judge" for one in case.confirmation)]
    said = []
    families = Counter(next(iter(case.judge_families)) for case in alone if len(case.judge_families) == 1)
    for family, n in sorted(families.items()):
        mine = [case for case in alone if case.judge_families == {family}]
        drafted = sum(case.expected_source == "judge_draft_accepted" for case in mine)
        grades = sum(case.rubric is not None or case.expected is not None for case in mine) if family in graders else 0
        if n / len(held) >= ONE_JUDGE or grades:
            words = f"{n} of {len(held)} held cases were confirmed by judges of the family {family} alone"
            words += f", {drafted} of them with an expected answer that a judge drafted" if drafted else ""
            words += f"; the same family grades, and may not grade {grades} of them" if grades else ""
            said.append(f"{words}: have a person, or a judge of another family, confirm them")
    return said


def opposed(formats: Sequence[Trend], unhappy: Sequence[Trend]) -> list[str]:
    """Warnings where answers look better to format checks while users like them less: the set may train for form."""
    better = [one for one in formats if (change := one.change) is not None and change.high < 0]
    worse = [one for one in unhappy if (change := one.change) is not None and change.low > 0]
    if not better or not worse:
        return []
    said = f"format checks improve ({_moved(better)}) while users' signs get worse ({_moved(worse)}): what the set asks for is form"
    return [f"{said}; add cases from what users complained of (`goldwash review`, `goldwash golden add`)"]


def _moved(trends: Sequence[Trend]) -> str:
    return ", ".join(f"{one.name} {one.hits_before / one.n_before:.1%} → {one.hits / one.n:.1%}" for one in trends)


def as_json(found: Sequence[Gone | Month]) -> list[dict[str, Any]]:
    """Rows as JSON values."""
    return [asdict(one) for one in found]
