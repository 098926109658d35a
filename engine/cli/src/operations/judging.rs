//! What people say while the service runs: of symptoms, and about acting.

use anyhow::Result;
use theriac_contract::{RecordedFact, Topics};
use theriac_knowledge::line;

use super::requests::{Answer, Request};
use crate::{feedback::Opinion, orders::Order};

/// What somebody says.
pub(crate) enum Saying {
    /// Of a symptom.
    Opinion(Opinion),
    /// About acting.
    Order(Order),
}

impl Saying {
    fn note(&self, topics: &mut dyn Topics) -> Result<Option<RecordedFact>> {
        match self {
            Self::Opinion(opinion) => opinion.note(topics),
            Self::Order(order) => order.note(topics),
        }
    }

    /// Whether it holds for all topics, not just for those in which its subject is.
    const fn is_of_all(&self) -> bool {
        matches!(self, Self::Order(order) if !order.order.is_of_a_plan())
    }

    fn of_nothing(&self) -> String {
        match self {
            Self::Opinion(opinion) => opinion.of_nothing().to_string(),
            Self::Order(order) => order.of_nothing().to_string(),
        }
    }
}

/// What was said and is being noted, in topics that nobody else writes to now.
pub(crate) struct Noting {
    open: Vec<Request<Saying>>,
    /// Those that hold for all topics, with what became of them in the first.
    noted: Vec<(Request<Saying>, Option<Answer>)>,
}

impl Noting {
    pub(super) fn new(requests: Vec<Request<Saying>>) -> Self {
        let (all, open) = requests.into_iter().partition(|request| request.wish.is_of_all());
        let all: Vec<_> = all;
        Self { open, noted: all.into_iter().map(|request| (request, None)).collect() }
    }

    /// Notes what is about something in these topics, and answers it; and what holds for all.
    pub(crate) fn note(&mut self, topics: &mut dyn Topics) {
        for (request, answer) in &mut self.noted {
            let result = request.wish.note(topics);
            let told = result.map(|fact| fact.map_or_else(String::new, |fact| line(&fact)));
            answer.get_or_insert(told.map_err(|error| format!("{error:#}")));
        }
        let mut elsewhere = Vec::new();
        for request in self.open.drain(..) {
            match request.wish.note(topics) {
                Ok(None) => elsewhere.push(request),
                Ok(Some(fact)) => answer(request, Ok(line(&fact))),
                Err(error) => answer(request, Err(format!("{error:#}"))),
            }
        }
        self.open = elsewhere;
    }

    /// Answers those that are left: their subject was in none of the topics, or these were away.
    pub(crate) fn end(self, failure: Option<&anyhow::Error>) {
        let away = failure.map(|error| format!("not noted everywhere: {error:#}"));
        for (request, told) in self.noted {
            let told = told.unwrap_or_else(|| Err("this process has no topics now; ask again".to_owned()));
            answer(request, away.clone().map_or(told, Err));
        }
        for request in self.open {
            let nothing = request.wish.of_nothing();
            let told = failure.map_or(nothing, |error| format!("not noted: {error:#}"));
            answer(request, Err(told));
        }
    }
}

fn answer(request: Request<Saying>, answer: Answer) {
    match &answer {
        Ok(told) => tracing::info!("{told}"),
        Err(told) => tracing::warn!("what was said is refused: {told}"),
    }
    request.answer(answer);
}
