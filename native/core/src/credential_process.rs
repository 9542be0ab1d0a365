//! The program that a profile names to give credentials (`credential_process`).
//!
//! The SDK has a provider for it, but reads whatever the program says into memory, leaves it running
//! when nobody waits any more, and writes its arguments, which may be secret, into its trace.
//! Here both streams are bounded, and the shell ends with the call that waits for it.

use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result, future};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// Credentials take one or two KiB.
const MOST_OUTPUT: u64 = 64 * 1024;
/// Of what a program complains about, the beginning is enough.
const MOST_COMPLAINT: u64 = 4 * 1024;

/// Runs a program whenever credentials are wanted.
pub(crate) struct CredentialProcess {
    command: String,
}

impl CredentialProcess {
    pub(crate) fn new(command: String) -> Self {
        Self { command }
    }

    async fn run(&self) -> Result {
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.command]);
        shell.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = shell
            .spawn()
            .map_err(|error| failed(format!("the shell cannot be started: {error}")))?;
        let (out, complaint) = (child.stdout.take(), child.stderr.take());
        // Both at once: a program that fills one while nobody reads it would wait for ever.
        let (out, complaint) =
            tokio::join!(start_of(out, MOST_OUTPUT), start_of(complaint, MOST_COMPLAINT));
        if out.len() as u64 > MOST_OUTPUT {
            return Err(failed(format!("it says more than {MOST_OUTPUT} bytes")));
        }
        let status = child
            .wait()
            .await
            .map_err(|error| failed(format!("how it ended is not known: {error}")))?;
        if !status.success() {
            let complaint = String::from_utf8_lossy(&complaint);
            return Err(failed(match complaint.trim() {
                "" => ended(status),
                complaint => format!("{}, and says: {complaint}", ended(status)),
            }));
        }
        said(&out).map_err(failed)
    }
}

/// Never what it is started with: that may be secret.
impl std::fmt::Debug for CredentialProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialProcess").finish_non_exhaustive()
    }
}

impl ProvideCredentials for CredentialProcess {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.run())
    }
}

fn failed(why: String) -> CredentialsError {
    CredentialsError::provider_error(why)
}

fn ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("it ends with the status {code}"),
        None => format!("it ends by a {status}"),
    }
}

/// What a stream begins with: one byte more than `most` when there is more.
async fn start_of(stream: Option<impl AsyncRead + Unpin>, most: u64) -> Vec<u8> {
    let mut start = Vec::new();
    if let Some(stream) = stream {
        let mut stream = stream.take(most + 1);
        // What broke off is told by how the program ended.
        let _ = stream.read_to_end(&mut start).await;
    }
    start
}

/// The credentials in what the program said. The message never shows any of it.
fn said(out: &[u8]) -> std::result::Result<Credentials, String> {
    const NOT_JSON: &str = "it does not say one JSON object";
    let Ok(Value::Object(told)) = serde_json::from_slice(out) else {
        return Err(NOT_JSON.to_owned());
    };
    match named(&told, "Version") {
        Some(Value::Number(version)) if version.as_u64() == Some(1) => {}
        _ => return Err("what it says has no Version, or another than 1".to_owned()),
    }
    let text = |name: &str| match named(&told, name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        None | Some(Value::Null) => Ok(None),
        Some(_) => Err(format!("its {name} is no text")),
    };
    let missing = |name: &str| format!("what it says has no {name}");
    let id = text("AccessKeyId")?.ok_or_else(|| missing("AccessKeyId"))?;
    let secret = text("SecretAccessKey")?.ok_or_else(|| missing("SecretAccessKey"))?;
    let token = text("SessionToken")?;
    let end = match text("Expiration")? {
        Some(end) => Some(moment(&end).ok_or("its Expiration is no moment in ISO 8601")?),
        None => None,
    };
    Ok(Credentials::new(id, secret, token, end, "CredentialProcess"))
}

/// Upper and lower case count as the same, as for the SDK.
fn named<'a>(told: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    told.iter().find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
}

fn moment(text: &str) -> Option<SystemTime> {
    let moment = DateTime::from_str(text, Format::DateTimeWithOffset).ok()?;
    let since = u64::try_from(moment.secs()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(command: &str) -> Result {
        CredentialProcess::new(command.to_owned()).run().await
    }

    fn why(result: Result) -> String {
        crate::sdk_error::deepest(&result.unwrap_err())
    }

    #[tokio::test]
    async fn credentials_are_read_from_what_it_says() {
        let given = run(r#"echo '{"version": 1, "AccessKeyId": "i", "SecretAccessKey": "s",
            "SessionToken": "t", "Expiration": "2030-01-02T03:04:05+00:00"}'"#)
        .await
        .unwrap();
        assert_eq!((given.access_key_id(), given.secret_access_key()), ("i", "s"));
        assert_eq!(given.session_token(), Some("t"));
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_553_445);
        assert_eq!(given.expiry(), Some(end));
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_and_never_what_it_said() {
        for (command, wanted) in [
            ("echo sealed >&2; exit 3", "status 3, and says: sealed"),
            ("exit 4", "status 4"),
            ("kill -9 $$", "signal: 9"),
            ("true", "one JSON object"),
            ("echo canary", "one JSON object"),
            (r#"echo '{"AccessKeyId": "canary"}'"#, "no Version"),
            (r#"echo '{"Version": 2}'"#, "no Version, or another"),
            (r#"echo '{"Version": 1, "AccessKeyId": "canary"}'"#, "no SecretAccessKey"),
            (
                r#"echo '{"Version": 1, "AccessKeyId": "i", "SecretAccessKey": "canary", "Expiration": "soon"}'"#,
                "no moment",
            ),
        ] {
            let why = why(run(command).await);
            assert!(why.contains(wanted) && !why.contains("canary"), "{command}: {why}");
        }
    }

    #[tokio::test]
    async fn what_it_says_is_bounded() {
        assert!(why(run("exec yes").await).contains("65536 bytes"));
        let much = "head -c 10000000 /dev/zero >&2; exit 1";
        assert!(why(run(much).await).len() < 2 * MOST_COMPLAINT as usize);
    }

    #[tokio::test]
    async fn it_ends_with_the_call_that_waits_for_it() {
        let file = std::env::temp_dir().join(format!("dipper-process-{}", fastrand::u64(..)));
        let command = format!("echo $$ > {}; exec sleep 1000", file.display());
        let waiting = tokio::time::timeout(Duration::from_secs(2), run(&command)).await;
        assert!(waiting.is_err(), "it does not end by itself");
        let id = std::fs::read_to_string(&file).unwrap();
        let _ = std::fs::remove_file(&file);
        let path = format!("/proc/{}/cmdline", id.trim());
        for _ in 0..1000 {
            // A program that ended has no command line, even before it is waited for.
            if std::fs::read(&path).is_ok_and(|line| !line.is_empty()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert!(!std::fs::read(&path).is_ok_and(|line| !line.is_empty()), "it still runs");
    }
}
