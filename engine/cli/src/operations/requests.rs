//! What was asked over HTTP and is for the loop to do.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::{Receiver, Sender, channel, error::RecvError};

/// What became of a request: a sentence, either way.
pub(super) type Answer = Result<String, String>;

/// A request, and who waits for what becomes of it.
pub(super) struct Request<T> {
    pub(super) wish: T,
    sender: Sender<Answer>,
}

impl<T> Request<T> {
    pub(super) fn answer(self, answer: Answer) {
        // Whoever asked may have gone.
        let _ = self.sender.send(answer);
    }
}

/// Requests that were not looked at yet.
pub(super) struct Requests<T>(Mutex<Vec<Request<T>>>);

impl<T> Default for Requests<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Requests<T> {
    fn lock(&self) -> MutexGuard<'_, Vec<Request<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and waits for what becomes of it.
    pub(super) async fn ask(&self, wish: T) -> Result<Answer, RecvError> {
        let (sender, answer): (_, Receiver<Answer>) = channel();
        self.lock().push(Request { wish, sender });
        answer.await
    }

    /// Whether there are any.
    pub(super) fn wanted(&self) -> bool {
        !self.lock().is_empty()
    }

    pub(super) fn take(&self) -> Vec<Request<T>> {
        std::mem::take(&mut *self.lock())
    }
}
