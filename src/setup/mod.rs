//! The guided set-up as data: which question comes next, what an answer means, which action follows, and the configuration that results.
//! Pure: the terminal, the answers file and the tests use the same [`SetupSession`].
//!
//! | file | subject |
//! |---|---|
//! | `session` | the order of questions and actions |
//! | `question` | the questions with their texts |
//! | `opening` | what to do with saved answers or an existing configuration |
//! | `lines`, `names`, `fuses`, `clients`, `hex` | what an answer means |
//! | `answers`, `answers_file` | all answers so far, and their TOML |
//! | `configuration` | the tables that are added to the configuration |

mod answers;
mod answers_file;
mod clients;
mod configuration;
mod fuses;
mod hex;
mod lines;
mod names;
mod opening;
mod question;
mod session;
#[cfg(test)]
mod tests;

pub use answers::{AccountAnswers, MeterReading, SetupAnswers, SetupMeter};
pub use answers_file::{missing_answers, parse_answers, written_answers};
pub use clients::ClientAnswer;
pub use configuration::{ConfigurationPaths, added_tables, trial_configuration};
pub use fuses::Fuses;
pub use lines::{LineChoice, LineUser, OfferedLine};
pub use opening::{ConfigurationChange, ExistingConfiguration};
pub use question::{Question, QuestionKey};
pub use session::{ScannedMeter, SetupAction, SetupSession, SetupSituation, SetupStep};
