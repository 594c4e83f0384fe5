"""What the doctor says: what is wrong, why it matters, how to mend it."""

from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be; `code` is for programs and never changes its meaning.

    An error: alerts are lost, late or wrong, or nobody is served. A warning: they may be soon.
    """

    severity: Severity
    code: str
    what: str
    why: str
    mend: str


@dataclass(slots=True)
class Report:
    """Findings in the order in which they were come upon, and what was looked at, in words."""

    findings: list[Finding] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)

    def error(self, code: str, what: str, why: str, mend: str) -> None:
        self.findings.append(Finding("error", code, what, why, mend))

    def warn(self, code: str, what: str, why: str, mend: str) -> None:
        self.findings.append(Finding("warning", code, what, why, mend))

    @property
    def errors(self) -> int:
        return sum(one.severity == "error" for one in self.findings)
