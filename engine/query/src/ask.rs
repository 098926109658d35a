//! A question and its answer.

use std::sync::Arc;

use datafusion::{
    arrow::{array::RecordBatch, error::ArrowError},
    common::TableReference,
    datasource::MemTable,
    error::DataFusionError,
    execution::context::SQLOptions,
    prelude::{SessionConfig, SessionContext},
};
use theriac_contract::{Topic, TopicError, Topics};
use theriac_knowledge::HistoryError;

use crate::{
    as_of::{Asked, asked},
    load::load,
    tables::tables,
};

/// A question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The topics cannot be read.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A stored record is not what its topic holds.
    #[error("record {offset} of topic {topic} cannot be read: {source}")]
    Payload {
        /// Topic.
        topic: Topic,
        /// Offset.
        offset: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// The SQL is wrong, names what is not there, or would change something.
    #[error("{0}")]
    Sql(String),
    /// What is known has no such version.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A column could not be made.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    /// No thread or memory to run on.
    #[error("the question cannot be run: {0}")]
    Io(#[from] std::io::Error),
}

/// Answers one SQL query over what the topics hold now, or, where a table of knowledge is asked for `AS
/// OF` a version or a time, held then. Only tables that the text names are loaded. One thread, so that
/// rows without `ORDER BY` come in the same order each time.
///
/// # Errors
/// If the topics cannot be read, the SQL is wrong, or there is no such version; DDL, DML, COPY and SET
/// are refused.
pub fn query(topics: &dyn Topics, sql: &str) -> Result<Vec<RecordBatch>, QueryError> {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    let Asked { sql, past } = asked(sql)?;
    let named = sql.to_lowercase();
    let now = tables().into_iter().filter(|table| named.contains(table.name));
    let now = now.map(|table| (table.name.to_owned(), table, None));
    let past = past.into_iter().map(|past| (past.name, past.table, Some(past.moment)));
    for (name, table, moment) in now.chain(past) {
        let batch = load(topics, &table, moment)?;
        let rows = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(explain)?;
        context.register_table(TableReference::bare(name), Arc::new(rows)).map_err(explain)?;
    }
    let read_only =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let frame = context.sql_with_options(&sql, read_only).await.map_err(explain)?;
        frame.collect().await.map_err(explain)
    })
}

/// The first line of what DataFusion says, in the words of the tables here.
fn explain(error: DataFusionError) -> QueryError {
    let text = error.strip_backtrace().replace("datafusion.public.", "");
    if text.contains("table '") && text.contains("not found") {
        let names: Vec<_> = tables().into_iter().map(|table| table.name).collect();
        return QueryError::Sql(format!("{text}; the tables are {}", names.join(", ")));
    }
    if text.contains("not supported: ") {
        return QueryError::Sql(format!("{text}; what is stored can only be read: write SELECT"));
    }
    QueryError::Sql(text)
}
