//! What the credential chain may see.
//!
//! The SDK would read the process environment and the files in the home directory by
//! itself. Here it sees only what the embedding program hands in, which is what its
//! permissions allow. What was held back is remembered, so that an error can name it.

use std::collections::HashMap;
use std::fmt;

use aws_config::profile::ProfileSet;
use aws_types::os_shim_internal::{Env, Fs};

use crate::sdk_error::deepest;

/// Environment variables and files, as far as they may be read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Environment variables by name.
    pub variables: HashMap<String, String>,
    /// Contents of files by path, as text.
    pub files: HashMap<String, String>,
    /// Steps of the chain that are not allowed, each with the flag that allows it.
    pub skipped: Vec<String>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are secrets.
        formatter
            .debug_struct("Surroundings")
            .field("variables", &self.variables.keys())
            .field("files", &self.files.keys())
            .field("skipped", &self.skipped)
            .finish()
    }
}

impl Surroundings {
    /// Everything in here that must not be shown.
    pub(crate) fn secrets(&self) -> Vec<String> {
        const VARIABLES: &[&str] = &[
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            // Whoever knows the path is given the task's credentials.
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        ];
        const SETTINGS: &[&str] = &[
            "aws_access_key_id",
            "aws_secret_access_key",
            "aws_session_token",
            "credential_process",
            "external_id",
        ];
        const FIELDS: &[&str] = &["accessToken", "refreshToken", "clientSecret"];
        let mut secrets: Vec<String> =
            VARIABLES.iter().filter_map(|name| self.variables.get(*name)).cloned().collect();
        for (path, text) in &self.files {
            if path.ends_with(".json") {
                let parts: Vec<_> = text.split('"').collect();
                let values = parts.windows(3).filter(|part| FIELDS.contains(&part[0]));
                secrets.extend(values.map(|part| part[2].to_owned()));
            } else if text.contains('[') {
                secrets.extend(text.lines().filter_map(|line| {
                    let (name, value) = line.split_once('=')?;
                    let name = name.trim().to_ascii_lowercase();
                    SETTINGS.contains(&name.as_str()).then(|| value.trim().to_owned())
                }));
            } else {
                // A token in a file of its own.
                secrets.push(text.trim().to_owned());
            }
        }
        secrets
    }

    /// The profiles of the shared files, or why they cannot be read.
    pub(crate) async fn profiles(&self, chosen: Option<&str>) -> Result<ProfileSet, String> {
        #[allow(deprecated)]
        let files = aws_config::profile::profile_file::ProfileFiles::default();
        let chosen = chosen.map(|name| name.to_owned().into());
        let read = aws_config::profile::load(&self.fs(), &self.env(), &files, chosen).await;
        read.map_err(|error| deepest(&error))
    }

    /// Without the keys of the environment.
    pub(crate) fn env_without_keys(&self) -> Env {
        let mut variables = self.variables.clone();
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            variables.remove(name);
        }
        Env::from(variables)
    }

    pub(crate) fn env(&self) -> Env {
        Env::from(self.variables.clone())
    }

    /// The same without the instance metadata service, for questions that it should not
    /// be asked: looking for a region must not wait for a host that is not there.
    pub(crate) fn env_without_metadata_service(&self) -> Env {
        let mut variables = self.variables.clone();
        variables.insert("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned());
        Env::from(variables)
    }

    pub(crate) fn fs(&self) -> Fs {
        Fs::from_map(self.files.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_value() {
        let mut surroundings = Surroundings::default();
        surroundings.variables.insert("AWS_SECRET_ACCESS_KEY".into(), "canary".into());
        surroundings.files.insert("/home/u/.aws/credentials".into(), "canary".into());
        let shown = format!("{surroundings:?}");
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("canary"));
    }
}
