//! Which step of the standard chain gives the credentials, and what its failure means.
//!
//! The SDK goes through the chain and tells little about where it stopped. Which step is
//! responsible follows from what the chain may see: the first one that is configured. So a failure
//! names the profile, the provider and the command that mends it.

use aws_config::profile::{Profile, ProfileSet};
use aws_credential_types::provider::error::CredentialsError;

use crate::sdk_error::{reason, shell_word, whole};
use crate::{Error, Status, Surroundings};

/// A step of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `AWS_ACCESS_KEY_ID` and its companions.
    Environment,
    /// Keys in a profile.
    Keys(String),
    /// A program that a profile names.
    Process(String),
    /// Single sign-on.
    SignOn {
        /// The profile that signs on.
        profile: String,
        /// The session's name, where the profile names one.
        session: Option<String>,
    },
    /// A role that a profile assumes with the credentials of another step.
    Role {
        /// The profile that names the role.
        profile: String,
        /// The role.
        role: String,
        /// Where the credentials for it come from.
        source: Box<Step>,
    },
    /// A web identity token, exchanged for a role's credentials.
    WebIdentity {
        /// The file that holds the token.
        file: String,
        /// The role.
        role: String,
    },
    /// The endpoint of a container.
    Container,
    /// The metadata service of an instance.
    Metadata,
    /// A profile with a way to sign on that dipper does not go.
    Login(String),
    /// A profile that was named and is not there.
    NoProfile {
        /// The name.
        profile: String,
        /// Those that are there.
        known: Vec<String>,
    },
    /// Shared files that cannot be understood.
    Unreadable(String),
}

impl Step {
    /// The first step that is configured. `chosen`: the profile was named by an option, which
    /// comes before the environment.
    pub(crate) async fn of(surroundings: &Surroundings, chosen: Option<&str>) -> Self {
        let given = |name: &str| {
            surroundings.variables.get(name).is_some_and(|value| !value.trim().is_empty())
        };
        if chosen.is_none() && given("AWS_ACCESS_KEY_ID") && given("AWS_SECRET_ACCESS_KEY") {
            return Self::Environment;
        }
        let variable = surroundings.variables.get("AWS_PROFILE").filter(|name| !name.is_empty());
        let named = chosen.or(variable.map(String::as_str));
        match surroundings.profiles(chosen).await {
            Err(why) => return Self::Unreadable(why),
            Ok(profiles) => match (profiles.get_profile(named.unwrap_or("default")), named) {
                (Some(profile), _) => {
                    if let Some(step) = Self::of_profile(&profiles, profile, 0) {
                        return step;
                    }
                }
                (None, Some(name)) => {
                    let mut known: Vec<_> = profiles.profiles().map(str::to_owned).collect();
                    known.sort();
                    return Self::NoProfile { profile: name.to_owned(), known };
                }
                (None, None) => {}
            },
        }
        let variable = |name: &str| surroundings.variables.get(name).cloned().unwrap_or_default();
        if given("AWS_WEB_IDENTITY_TOKEN_FILE") && given("AWS_ROLE_ARN") {
            let file = variable("AWS_WEB_IDENTITY_TOKEN_FILE");
            return Self::WebIdentity { file, role: variable("AWS_ROLE_ARN") };
        }
        if given("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
            || given("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        {
            return Self::Container;
        }
        Self::Metadata
    }

    /// In the order in which the SDK looks at a profile's settings.
    fn of_profile(profiles: &ProfileSet, profile: &Profile, depth: u32) -> Option<Self> {
        let name = profile.name().to_owned();
        if let (Some(role), Some(file)) =
            (profile.get("role_arn"), profile.get("web_identity_token_file"))
        {
            return Some(Self::WebIdentity { file: file.to_owned(), role: role.to_owned() });
        }
        // A profile that is its own source has keys of its own. Circles end somewhere.
        let source = profile.get("source_profile").filter(|source| *source != name);
        if let (Some(role), true) = (profile.get("role_arn"), depth < 10) {
            let source = match (source, profile.get("credential_source")) {
                (Some(source), _) => profiles
                    .get_profile(source)
                    .and_then(|next| Self::of_profile(profiles, next, depth + 1))
                    .unwrap_or_else(|| Self::Keys(source.to_owned())),
                (None, Some(source)) => match source.to_ascii_lowercase().as_str() {
                    "environment" => Self::Environment,
                    "ecscontainer" => Self::Container,
                    _ => Self::Metadata,
                },
                (None, None) => Self::Keys(name.clone()),
            };
            return Some(Self::Role {
                profile: name,
                role: role.to_owned(),
                source: Box::new(source),
            });
        }
        if profile.get("sso_session").or(profile.get("sso_start_url")).is_some() {
            let session = profile.get("sso_session").map(str::to_owned);
            return Some(Self::SignOn { profile: name, session });
        }
        if profile.get("login_session").is_some() {
            return Some(Self::Login(name));
        }
        if profile.get("credential_process").is_some() {
            return Some(Self::Process(name));
        }
        let keys = ["aws_access_key_id", "aws_secret_access_key"];
        keys.iter().any(|key| profile.get(key).is_some()).then_some(Self::Keys(name))
    }

    /// What gives the credentials, for messages.
    pub(crate) fn described(&self) -> String {
        match self {
            Self::Environment => "the environment variables".to_owned(),
            Self::Keys(profile) => format!("the keys of the profile {profile:?}"),
            Self::Process(profile) => format!("the credential_process of the profile {profile:?}"),
            Self::SignOn { profile, .. } => format!("single sign-on of the profile {profile:?}"),
            Self::Role { profile, role, .. } => {
                format!("the role {role} of the profile {profile:?}")
            }
            Self::WebIdentity { file, role } => {
                format!("the web identity token in {file} for the role {role}")
            }
            Self::Container => "the container's credentials service".to_owned(),
            Self::Metadata => "the instance metadata service".to_owned(),
            Self::Login(profile) => format!("the login_session of the profile {profile:?}"),
            Self::NoProfile { profile, .. } => format!("the profile {profile:?}"),
            Self::Unreadable(_) => "the shared files".to_owned(),
        }
    }

    /// The step that signs on, if one does.
    fn sign_on(&self) -> Option<(&str, Option<&str>)> {
        match self {
            Self::SignOn { profile, session } => Some((profile, session.as_deref())),
            Self::Role { source, .. } => source.sign_on(),
            _ => None,
        }
    }

    /// What is wrong before anything is asked.
    pub(crate) fn flaw(&self) -> Option<Error> {
        let (what, hint) = match self {
            Self::NoProfile { profile, known } if known.is_empty() => (
                format!("the profile {profile:?} is in none of the shared files"),
                format!(
                    "run: aws configure --profile {}, or check AWS_CONFIG_FILE and \
                     AWS_SHARED_CREDENTIALS_FILE",
                    shell_word(profile)
                ),
            ),
            Self::NoProfile { profile, known } => (
                format!("the profile {profile:?} is in none of the shared files"),
                format!("name one of {}", known.join(", ")),
            ),
            Self::Unreadable(why) => (
                format!("the shared files cannot be read: {why}"),
                "mend ~/.aws/config and ~/.aws/credentials".to_owned(),
            ),
            Self::Login(profile) => (
                format!("the profile {profile:?} uses login_session, which dipper does not read"),
                format!(
                    "run: aws configure export-credentials --profile {} --format env, and \
                     set what it prints",
                    shell_word(profile)
                ),
            ),
            _ => return None,
        };
        Some(Error::new(Status::CredentialsFailed, what).hint(hint))
    }

    /// What the failure of this step means.
    pub(crate) fn explain(&self, failed: &CredentialsError, refused: &[String]) -> Error {
        let text = whole(failed);
        let nothing = matches!(failed, CredentialsError::CredentialsNotLoaded(_))
            || (*self == Self::Metadata
                && (text.contains("IMDS") || text.contains("metadata service")));
        let why = reason(failed);
        if let Some(error) = self.flaw() {
            return error;
        }
        if !refused.is_empty() || (*self == Self::Metadata && nothing) {
            return Error::new(Status::NoCredentials, "no credentials were found").hint(
                "pass credentials, name a profile, set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, or use credentials: \"anonymous\" for public data",
            );
        }
        if let Some((profile, session)) = self.sign_on()
            && signed_off(&text)
        {
            let what = if text.contains("failed to read") || text.contains("failed to load") {
                format!("nobody has signed on for the profile {profile:?} here")
            } else {
                format!("the single sign-on of the profile {profile:?} has expired")
            };
            let session = session.map(|name| format!(" (session {name:?})")).unwrap_or_default();
            return Error::new(Status::CredentialsFailed, format!("{what}{session}"))
                .hint(format!("run: aws sso login --profile {}", shell_word(profile)));
        }
        let from = self.described();
        let hint = match self {
            Self::Environment => "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned(),
            Self::Keys(profile) | Self::Login(profile) => {
                format!("run: aws configure --profile {}", shell_word(profile))
            }
            Self::Process(profile) => format!(
                "run the program that ~/.aws/config names for {profile} in a terminal to see why"
            ),
            Self::SignOn { profile, .. } => format!(
                "run: aws sts get-caller-identity --profile {0}, and if that fails too \
                 aws sso login --profile {0}",
                shell_word(profile)
            ),
            Self::Role { role, source, .. } => match &**source {
                Self::Keys(name) | Self::Process(name) | Self::SignOn { profile: name, .. } => {
                    format!(
                        "run: aws sts assume-role --role-arn {} --role-session-name test \
                         --profile {}, and check the role's trust policy",
                        shell_word(role),
                        shell_word(name)
                    )
                }
                _ => "check the role's trust policy".to_owned(),
            },
            Self::WebIdentity { .. } => {
                "check that the token is fresh and that the role trusts its issuer".to_owned()
            }
            Self::Container => "check AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI and the \
                                authorization token"
                .to_owned(),
            Self::Metadata => "check the role of this instance".to_owned(),
            Self::NoProfile { .. } | Self::Unreadable(_) => "mend the shared files".to_owned(),
        };
        Error::new(Status::CredentialsFailed, format!("{from} gives no credentials: {why}"))
            .hint(hint)
    }
}

/// Whether single sign-on has to be done again.
fn signed_off(text: &str) -> bool {
    const SIGNS: &[&str] = &[
        "expired",
        "failed to read",
        "failed to load the cached SSO token",
        "Unauthorized",
        "missing field",
        "invalid JSON",
    ];
    SIGNS.iter().any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(config: &str, variables: &[(&str, &str)]) -> Surroundings {
        let mut surroundings = Surroundings::default();
        let pairs = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        surroundings.variables = pairs.chain([("HOME".to_owned(), "/h".to_owned())]).collect();
        surroundings.files.insert("/h/.aws/config".into(), config.into());
        surroundings
    }

    async fn step(config: &str, variables: &[(&str, &str)], chosen: Option<&str>) -> Step {
        Step::of(&with(config, variables), chosen).await
    }

    #[tokio::test]
    async fn the_first_configured_step_is_responsible() {
        let keys = [("AWS_ACCESS_KEY_ID", "i"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let config = "[default]\nregion = r\n[profile k]\naws_access_key_id = i\n\
            [profile p]\ncredential_process = x\n[profile s]\nsso_session = main\n\
            [sso-session main]\nsso_region = r\nsso_start_url = u\n\
            [profile r]\nrole_arn = arn\nsource_profile = s\n\
            [profile w]\nrole_arn = arn\nweb_identity_token_file = /t\n\
            [profile m]\nrole_arn = arn\ncredential_source = Ec2InstanceMetadata\n\
            [profile c]\nrole_arn = arn\nsource_profile = d\n\
            [profile d]\nrole_arn = arn\nsource_profile = c\n[profile l]\nlogin_session = x\n";
        assert_eq!(step(config, &keys, None).await, Step::Environment);
        assert_eq!(step(config, &keys, Some("k")).await, Step::Keys("k".into()));
        assert_eq!(step(config, &[], Some("p")).await, Step::Process("p".into()));
        let sign_on = Step::SignOn { profile: "s".into(), session: Some("main".into()) };
        assert_eq!(step(config, &[("AWS_PROFILE", "s")], None).await, sign_on);
        let role = |profile: &str, source| Step::Role {
            profile: profile.into(),
            role: "arn".into(),
            source: Box::new(source),
        };
        assert_eq!(step(config, &[], Some("r")).await, role("r", sign_on));
        assert_eq!(step(config, &[], Some("m")).await, role("m", Step::Metadata));
        let web = Step::WebIdentity { file: "/t".into(), role: "arn".into() };
        assert_eq!(step(config, &[], Some("w")).await, web);
        assert_eq!(step(config, &[], Some("l")).await, Step::Login("l".into()));
        assert!(matches!(step(config, &[], Some("c")).await, Step::Role { .. }));
        assert_eq!(step(config, &[], None).await, Step::Metadata);
        let container = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://h")];
        assert_eq!(step(config, &container, None).await, Step::Container);
        let token = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn")];
        assert_eq!(step(config, &token, None).await, web);
        let missing = step(config, &[], Some("none")).await;
        let error = missing.flaw().unwrap();
        assert!(error.message.contains("\"none\"") && error.hint.unwrap().contains("default"));
        assert!(matches!(step("[broken", &[], None).await, Step::Unreadable(_)));
    }

    #[test]
    fn single_sign_on_that_ended_names_the_command() {
        let source = Box::new(Step::SignOn { profile: "dev".into(), session: None });
        let role = Step::Role { profile: "r".into(), role: "arn".into(), source };
        let failed = CredentialsError::provider_error("the SSO token has expired");
        let error = role.explain(&failed, &[]);
        assert!(error.message.contains("\"dev\""));
        assert_eq!(error.hint.as_deref(), Some("run: aws sso login --profile dev"));
    }
}
