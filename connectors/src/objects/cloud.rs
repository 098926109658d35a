//! Objects in S3, Google Cloud Storage or Azure Blob Storage.

use std::{env, time::Duration};

use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    path::Path,
};
use theriac_contract::{ObjectError, Objects};
use tokio::runtime::{Builder, Runtime};

use super::{Place, StoreError};

/// Requests that fail are sent again for so long: whoever waits is a shard that starts or ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// A part of a bucket.
pub(super) struct Cloud {
    store: Box<dyn ObjectStore>,
    folder: Path,
    /// Where it is, for people.
    address: String,
    runtime: Runtime,
    /// What no error may show.
    secrets: Vec<String>,
}

/// Builds a client of one kind: the environment first, then the options over it.
macro_rules! build {
    ($builder:ty, $key:ty, $place:expr, $secrets:expr, $retry:expr) => {{
        let mut builder = <$builder>::from_env().with_url(&$place.url).with_retry($retry);
        let key = |field: &str, name: &str| {
            let known = name.to_ascii_lowercase().parse::<$key>();
            known.map_err(|_| StoreError::settings(format!("{field}.{name}"), UNKNOWN))
        };
        for (name, value) in &$place.options {
            builder = builder.with_config(key("options", name)?, value);
        }
        for (name, value) in $secrets {
            builder = builder.with_config(key("secrets", name)?, value);
        }
        builder.build().map(|store| Box::new(store) as Box<dyn ObjectStore>)
    }};
}

const UNKNOWN: &str = "the store has no such option; they are named as the environment variables of its own tools: aws_region, aws_endpoint, google_service_account, azure_storage_account_name";

/// Whether a variable or an option holds what must not be shown.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = ["secret", "token", "access_key", "account_key", "master_key", "customer_key", "sas_key"];
    words.iter().any(|word| name.contains(word))
        && !["_file", "_url", "access_key_id"].iter().any(|end| name.ends_with(end))
}

impl Cloud {
    pub(super) fn open(place: &Place, below: &str) -> Result<Self, StoreError> {
        let url = &place.url;
        if url.contains(['?', '@', '#']) {
            let reason = "it may be shown: name credentials in `checkpoint.secrets` or the environment, not in the URL";
            return Err(StoreError::settings("store", reason));
        }
        if let Some(name) = place.options.keys().find(|name| is_secret(name)) {
            let reason = "it is a secret, and a configuration may be shown: name where it is kept under `checkpoint.secrets`";
            return Err(StoreError::settings(format!("options.{name}"), reason));
        }
        let mut given = Vec::new();
        for (name, secret) in &place.secrets {
            let unreadable = |reason: String| StoreError::settings(format!("secrets.{name}"), reason);
            let value = String::from_utf8(secret.read().map_err(unreadable)?);
            given.push((name, value.map_err(|_| unreadable("it is not UTF-8".to_owned()))?));
        }
        let of_environment = env::vars()
            .filter(|(name, _)| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|begin| name.starts_with(begin)))
            .filter(|(name, value)| is_secret(name) && !value.is_empty());
        let secrets =
            given.iter().map(|(_, value)| value.clone()).chain(of_environment.map(|(_, v)| v)).collect();
        let retry = RetryConfig { retry_timeout: PATIENCE, ..RetryConfig::default() };
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let built = match scheme {
            "s3" => build!(AmazonS3Builder, AmazonS3ConfigKey, place, &given, retry),
            "gs" => build!(GoogleCloudStorageBuilder, GoogleConfigKey, place, &given, retry),
            "az" => build!(MicrosoftAzureBuilder, AzureConfigKey, place, &given, retry),
            _ => {
                let reason = format!(
                    "`{url}` names no store: write s3://bucket/path, gs://bucket/path, az://container/path, or a folder"
                );
                return Err(StoreError::settings("store", reason));
            }
        };
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        let folder = Path::parse(path.trim_matches('/'))
            .map(|path| below.split('/').fold(path, |path, part| path.join(part)))
            .map_err(|error| StoreError::settings("store", error.to_string()))?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::settings("store", error.to_string()))?;
        let address = format!("{}/{below}", url.trim_end_matches('/'));
        let cloud = |store| Self { store, folder, address, runtime, secrets };
        built.map(cloud).map_err(|error| StoreError::settings("store", error.to_string()))
    }

    fn path(&self, name: &str) -> Path {
        self.folder.clone().join(name)
    }

    fn unavailable(&self, what: &str, error: &Error) -> ObjectError {
        let mend = match error {
            Error::Unauthenticated { .. } => {
                "; key, secret or token are wrong: see `checkpoint.secrets` and the environment"
            }
            Error::PermissionDenied { .. } => {
                "; it needs to list, read, write and delete objects below this address"
            }
            Error::NotFound { .. } => "; create the bucket, or mend `checkpoint.store`",
            _ => "; is the store up, and are `checkpoint.store` and `checkpoint.options` right?",
        };
        let text = format!("{error}{mend}");
        let reason = self.secrets.iter().fold(text, |text, secret| text.replace(secret, "(secret)"));
        ObjectError::Unavailable { place: self.address.clone(), what: what.to_owned(), reason }
    }
}

impl Objects for Cloud {
    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        let done = self.runtime.block_on(self.store.put(&self.path(name), PutPayload::from(bytes)));
        done.map(drop).map_err(|error| self.unavailable(&format!("writing {name}"), &error))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, ObjectError> {
        let path = self.path(name);
        let read = async { self.store.get(&path).await?.bytes().await };
        match self.runtime.block_on(read) {
            Ok(bytes) => Ok(bytes.into()),
            Err(Error::NotFound { .. }) => Err(ObjectError::Unreadable {
                name: format!("{}/{name}", self.address),
                reason: "it is not there".to_owned(),
            }),
            Err(error) => Err(self.unavailable(&format!("reading {name}"), &error)),
        }
    }

    fn list(&self) -> Result<Vec<String>, ObjectError> {
        let listed = self.runtime.block_on(self.store.list_with_delimiter(Some(&self.folder)));
        let listed = listed.map_err(|error| self.unavailable("listing it", &error))?;
        let mut names: Vec<String> =
            listed.objects.iter().filter_map(|object| Some(object.location.filename()?.to_owned())).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        match self.runtime.block_on(self.store.delete(&self.path(name))) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.unavailable(&format!("removing {name}"), &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn refused(url: &str, option: Option<(&str, &str)>) -> String {
        let options = option.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let place = Place { url: url.to_owned(), options, ..Place::default() };
        place.open("x").err().expect("it makes no sense").to_string()
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_mend() {
        for (url, option, text) in [
            ("http://somewhere/x", None, "write s3://bucket/path"),
            ("s3://bucket/x?X-Amz-Signature=1", None, "not in the URL"),
            ("s3://bucket/x", Some(("aws_regoin", "x")), "options.aws_regoin: the store has no such option"),
            ("s3://bucket/x", Some(("aws_secret_access_key", "hush")), "checkpoint.secrets"),
            ("az://c/x", Some(("azure_storage_account_key", "hush")), "checkpoint.secrets"),
            ("gs://b/x", Some(("google_service_account_key", "hush")), "checkpoint.secrets"),
        ] {
            let told = refused(url, option);
            assert!(told.contains(text) && !told.contains("hush"), "{url}: {told}");
        }
        let secrets =
            [("aws_secret_access_key".to_owned(), Secret::Environment("THERIAC_NO_SUCH".to_owned()))];
        let place = Place { url: "s3://bucket/x".to_owned(), secrets: secrets.into(), ..Place::default() };
        let told = place.open("x").err().expect("it is not set").to_string();
        assert!(told.contains("secrets.aws_secret_access_key: set the environment variable"), "{told}");
    }

    #[test]
    fn a_store_that_is_away_is_no_damage_and_its_secrets_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "127.0.0.1:1\n").unwrap();
        let options =
            [("aws_endpoint", "http://127.0.0.1:1"), ("aws_allow_http", "true"), ("aws_access_key_id", "id")];
        let place = Place {
            url: "s3://bucket/x".to_owned(),
            options: options.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            // A secret that an error would show: the address itself.
            secrets: [("aws_secret_access_key".to_owned(), Secret::File(file))].into(),
        };
        let mut cloud = Cloud::open(&place, "theriac.checkpoints/0").unwrap();
        cloud.store = Box::new(
            AmazonS3Builder::new()
                .with_url("s3://bucket")
                .with_endpoint("http://127.0.0.1:1")
                .with_allow_http(true)
                .with_access_key_id("id")
                .with_secret_access_key("127.0.0.1:1")
                .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
                .build()
                .unwrap(),
        );
        for error in
            [cloud.put("a", Vec::new()).unwrap_err(), cloud.list().unwrap_err(), cloud.get("a").unwrap_err()]
        {
            let told = error.to_string();
            assert!(matches!(error, ObjectError::Unavailable { .. }), "{told}");
            assert!(told.starts_with("s3://bucket/x/theriac.checkpoints/0: "), "{told}");
            assert!(told.contains("(secret)") && !told.contains("127.0.0.1:1"), "{told}");
        }
        assert_eq!(cloud.path("n").to_string(), "x/theriac.checkpoints/0/n");
    }
}
