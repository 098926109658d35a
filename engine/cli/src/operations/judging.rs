//! What people make of symptoms while the service runs.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use theriac_contract::Topics;
use theriac_knowledge::line;
use tokio::sync::oneshot::{Receiver, Sender, channel, error::RecvError};

use crate::feedback::Opinion;

/// What became of an opinion: a sentence, either way.
type Answer = Result<String, String>;

/// An opinion, and who waits for what becomes of it.
struct Asked {
    opinion: Opinion,
    sender: Sender<Answer>,
}

/// Opinions that were not noted yet.
#[derive(Default)]
pub(crate) struct Judging(Mutex<Vec<Asked>>);

/// Opinions that are being noted, in topics that nobody else writes to now.
pub(crate) struct Noting(Vec<Asked>);

impl Judging {
    /// Hands in an opinion, and waits for what becomes of it.
    pub(super) async fn ask(&self, opinion: Opinion) -> Result<Answer, RecvError> {
        let (sender, answer): (_, Receiver<Answer>) = channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Asked { opinion, sender });
        answer.await
    }

    /// Whether there are any.
    pub(super) fn wanted(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(super) fn take(&self) -> Noting {
        Noting(std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Noting {
    /// Notes those whose symptom is in these topics, and answers them.
    pub(crate) fn note(&mut self, topics: &mut dyn Topics) {
        let mut elsewhere = Vec::new();
        for asked in self.0.drain(..) {
            match asked.opinion.note(topics) {
                Ok(None) => elsewhere.push(asked),
                Ok(Some(fact)) => asked.answer(Ok(line(&fact))),
                Err(error) => asked.answer(Err(format!("{error:#}"))),
            }
        }
        self.0 = elsewhere;
    }

    /// Answers those that are left: their symptom was in none of the topics, or these were away.
    pub(crate) fn end(self, failure: Option<&anyhow::Error>) {
        for asked in self.0 {
            let nothing = asked.opinion.of_nothing().to_string();
            let told = failure.map_or(nothing, |error| format!("not noted: {error:#}"));
            asked.answer(Err(told));
        }
    }
}

impl Asked {
    fn answer(self, answer: Answer) {
        match &answer {
            Ok(told) => tracing::info!("{told}"),
            Err(told) => tracing::warn!("an opinion is refused: {told}"),
        }
        // Whoever asked may have gone.
        let _ = self.sender.send(answer);
    }
}
