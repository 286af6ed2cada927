//! Verdicts: whether the reads of a target are balanced.

mod check;
mod evaluator;
pub mod evidence;
mod expectation;
mod failure_window;
mod fairness;
mod share_window;
mod under_way;
mod verdict;

pub use check::{CheckRules, Decision, Outcome};
pub use evaluator::VerdictRules;
pub use expectation::{Expectation, ExpectationError, Expected};
pub use fairness::dirichlet_ln_evidence;
pub use share_window::ShareBasis;
pub use under_way::UnderWay;
pub use verdict::{Culprit, CulpritKind, Evidence, FewProbes, Undecided, UndecidedReason, Verdict};

pub(crate) use check::Check;
pub(crate) use evaluator::Evaluator;
pub(crate) use expectation::server_name;
pub(crate) use verdict::VerdictKind;
