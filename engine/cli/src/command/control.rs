//! `theriac approve`, `reject`, `pause` and `resume`: what people say about acting.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use theriac_connectors::topics::{Embedded, Settings};
use theriac_knowledge::line;

use crate::{
    orders::{Order, Verb},
    output::{Wrong, say},
    wiring,
};

/// Who says so, why, and to whom.
#[derive(Debug, Args)]
pub(crate) struct Word {
    /// Who says so; the user that is logged in if left out
    #[arg(long)]
    by: Option<String>,
    /// Why, for the log
    #[arg(long, default_value = "by hand")]
    why: String,
    /// Folder of a run that is not under way
    #[arg(long, default_value = "theriac-data", conflicts_with = "service")]
    data_dir: PathBuf,
    /// Address of the running service's port (`operations.listen`), which needs
    /// `operations.allow_control: true`
    #[arg(long, value_name = "ADDRESS")]
    service: Option<SocketAddr>,
}

/// Arguments of `theriac approve` and `reject`.
#[derive(Debug, Args)]
pub(crate) struct OfPlan {
    /// The plan: its id, or the beginning of it
    plan: String,
    #[command(flatten)]
    word: Word,
}

/// Arguments of `theriac pause`.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// Stop everything, even what undoes earlier steps
    #[arg(long)]
    kill: bool,
    #[command(flatten)]
    word: Word,
}

/// Arguments of `theriac resume`.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    word: Word,
}

pub(crate) fn approve(arguments: &OfPlan) -> Result<()> {
    arguments.word.say(Verb::Approve, &arguments.plan)
}

pub(crate) fn reject(arguments: &OfPlan) -> Result<()> {
    arguments.word.say(Verb::Reject, &arguments.plan)
}

pub(crate) fn pause(arguments: &Pause) -> Result<()> {
    arguments.word.say(if arguments.kill { Verb::Kill } else { Verb::Pause }, "")
}

pub(crate) fn resume(arguments: &Resume) -> Result<()> {
    arguments.word.say(Verb::Resume, "")
}

impl Word {
    fn say(&self, verb: Verb, plan: &str) -> Result<()> {
        let user = || std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
        let (by, reason) = (self.by.clone().unwrap_or_else(user), self.why.clone());
        let order = Order { order: verb, plan: plan.to_owned(), by, reason };
        let told = match self.service {
            Some(address) => tell(address, &order)?,
            None => line(&self.note(&order)?),
        };
        say!("{told}");
        Ok(())
    }

    /// Notes it in the topics of a run that is not under way.
    fn note(&self, order: &Order) -> Result<theriac_contract::RecordedFact> {
        let folder = wiring::topics_folder(&self.data_dir);
        if !folder.is_dir() {
            let text = format!("no topics in {}; name the folder of a run with --data-dir", folder.display());
            return Err(Wrong(text).into());
        }
        let mut topics = Embedded::open(&folder, Settings::default())
            .context("what runs is told with --service ADDRESS, see the README")?;
        Ok(order.note(&mut topics)?.ok_or_else(|| order.of_nothing())?)
    }
}

/// How long a service may take to come to an end between two rounds and say what became of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells a running service; gives what it says.
fn tell(address: SocketAddr, order: &Order) -> Result<String> {
    let body = serde_json::to_string(order)?;
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        write!(
            stream,
            "POST /-/control HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().with_context(|| format!("the service at {address} does not answer"))?;
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let text = text.trim_end().to_owned();
    if head.split(' ').nth(1) == Some("200") { Ok(text) } else { Err(Wrong(text).into()) }
}
