//! What people make of symptoms while the service runs.

use theriac_contract::Topics;
use theriac_knowledge::line;

use super::requests::{Answer, Request};
use crate::feedback::Opinion;

/// Opinions that are being noted, in topics that nobody else writes to now.
pub(crate) struct Noting(pub(super) Vec<Request<Opinion>>);

impl Noting {
    /// Notes those whose symptom is in these topics, and answers them.
    pub(crate) fn note(&mut self, topics: &mut dyn Topics) {
        let mut elsewhere = Vec::new();
        for request in self.0.drain(..) {
            match request.wish.note(topics) {
                Ok(None) => elsewhere.push(request),
                Ok(Some(fact)) => answer(request, Ok(line(&fact))),
                Err(error) => answer(request, Err(format!("{error:#}"))),
            }
        }
        self.0 = elsewhere;
    }

    /// Answers those that are left: their symptom was in none of the topics, or these were away.
    pub(crate) fn end(self, failure: Option<&anyhow::Error>) {
        for request in self.0 {
            let nothing = request.wish.of_nothing().to_string();
            let told = failure.map_or(nothing, |error| format!("not noted: {error:#}"));
            answer(request, Err(told));
        }
    }
}

fn answer(request: Request<Opinion>, answer: Answer) {
    match &answer {
        Ok(told) => tracing::info!("{told}"),
        Err(told) => tracing::warn!("an opinion is refused: {told}"),
    }
    request.answer(answer);
}
