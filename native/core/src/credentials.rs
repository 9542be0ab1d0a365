//! What the credential chain may see.
//!
//! The SDK would read the process environment and the files in the home directory by
//! itself. Here it sees only what the embedding program hands in, which is what its
//! permissions allow. What was held back is remembered, so that an error can name it.

use std::collections::HashMap;
use std::fmt;

use aws_types::os_shim_internal::{Env, Fs};

/// Environment variables and files, as far as they may be read.
#[derive(Clone, Default)]
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
    pub(crate) fn secrets(&self) -> Vec<&str> {
        const VARIABLES: &[&str] = &[
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            // Whoever knows the path is given the task's credentials.
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        ];
        const SETTINGS: &[&str] =
            &["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
        let variables = VARIABLES.iter().filter_map(|name| self.variables.get(*name));
        let settings = self.files.values().flat_map(|text| text.lines()).filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            let name = name.trim().to_ascii_lowercase();
            SETTINGS.contains(&name.as_str()).then(|| value.trim())
        });
        variables.map(String::as_str).chain(settings).collect()
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
