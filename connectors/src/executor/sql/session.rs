//! Connections to the database, and what their errors mean.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use postgres::{
    Client, Config, NoTls,
    config::{SslMode, TargetSessionAttrs},
    error::SqlState,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::settings::{SqlSettings, Tls};
use crate::executor::{failure::Failure, settings::ExecutorError};

/// A database that can be connected to.
pub(super) struct Database {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    connect_within: Duration,
    words: String,
}

impl Database {
    /// Reads password and certificates; connects to nothing.
    pub(super) fn open(executor: &str, settings: &SqlSettings) -> Result<Self, ExecutorError> {
        let wrong = |reason: String| ExecutorError::Setting { executor: executor.to_owned(), reason };
        let mut config = Config::new();
        if settings.host.starts_with('/') {
            config.host_path(&settings.host);
        } else {
            config.host(&settings.host);
        }
        config
            .port(settings.port)
            .dbname(&settings.database)
            .user(&settings.user)
            .application_name("theriac")
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        if let Some(secret) = &settings.password {
            let unreadable = |reason| ExecutorError::Secret { executor: executor.to_owned(), reason };
            config.password(secret.read().map_err(unreadable)?);
        }
        let tls = match settings.tls {
            Tls::Off => None,
            Tls::Require => Some(trust(settings.ca.as_deref()).map_err(wrong)?),
        };
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        let SqlSettings { host, port, database, .. } = settings;
        let words = format!("{database} on {host}:{port}");
        let connect_within = Duration::from_nanos(settings.connect_within.0.max(1).unsigned_abs());
        Ok(Self { config, tls, connect_within, words })
    }

    /// Which database it is.
    pub(super) fn words(&self) -> &str {
        &self.words
    }

    /// Connects. The server ends by itself whatever takes longer than until `deadline`, an open
    /// transaction whose client is not heard of as well: what is late has no effect, and locks of an
    /// executor that stands still go. A commit is durable before it is answered.
    pub(super) fn connect(&self, deadline: Instant) -> Result<Client, Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::passing("its time is over"));
        }
        let mut config = self.config.clone();
        config.connect_timeout(left.min(self.connect_within)).tcp_user_timeout(left).keepalives_idle(left);
        let connected = match &self.tls {
            Some(tls) => config.connect(tls.clone()),
            None => config.connect(NoTls),
        };
        let mut client =
            connected.map_err(|error| failure(&error, &format!("no connection to {}", self.words)))?;
        let left = left.as_millis().clamp(1, i32::MAX as u128);
        let limits = format!(
            "SET statement_timeout = {left}; SET lock_timeout = {left}; \
             SET idle_in_transaction_session_timeout = {left}; SET synchronous_commit = 'on'; \
             SET default_transaction_isolation = 'read committed'"
        );
        client.batch_execute(&limits).map_err(|error| failure(&error, "limits of the session"))?;
        Ok(client)
    }
}

/// TLS that trusts the certificates of a file, or those of the public web.
fn trust(ca: Option<&Path>) -> Result<MakeRustlsConnect, String> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        let wrong = |why: String| format!("ca {}: {why}", path.display());
        let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(wrong("it has no certificate".to_owned()));
        }
    } else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// What an error means as long as nothing was committed: the server has rolled back, or will.
pub(super) fn failure(error: &postgres::Error, doing: &str) -> Failure {
    let Some(told) = error.as_db_error() else {
        return Failure::passing(format!("{doing}: {}", chain(error)));
    };
    let code = told.code();
    let mend = match *code {
        SqlState::ACTIVE_SQL_TRANSACTION => "; say `transaction: false` for this action",
        SqlState::INSUFFICIENT_PRIVILEGE => "; grant it to the executor's role",
        SqlState::LOCK_NOT_AVAILABLE => "; something else holds what it needs",
        _ => "",
    };
    let why = format!("{doing}: {} ({}){mend}", told.message(), code.code());
    if passes(code) { Failure::passing(why) } else { Failure::lasting(why) }
}

/// Whether an error passes by itself: no connection, a conflict, too little of something, a time-out, a
/// server that ends or begins.
fn passes(code: &SqlState) -> bool {
    ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.code().starts_with(class))
}

/// An error with what it came of.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}
