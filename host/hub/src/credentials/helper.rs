//! Programs that keep credentials, such as those of a desktop's keyring.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::{CredentialsError, Login, Secret};
use crate::bounds::{HELPER, HELPER_REST, MAX_HELPER_OUTPUT};
use crate::shown::shown;

/// What helpers have as the user's name of a token.
const TOKEN_USER: &str = "<token>";

/// A program `docker-credential-…`. It is run without a shell.
#[derive(Debug)]
pub(super) struct Helper {
    program: String,
    /// Where it is named.
    file: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl Helper {
    pub(super) fn new(name: &str, file: &Path) -> Result<Helper, CredentialsError> {
        // A slash would make it a path.
        let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || !name.chars().all(is_inside) {
            return Err(CredentialsError::HelperName {
                file: file.to_owned(),
                name: name.to_owned(),
            });
        }
        Ok(Helper {
            program: format!("docker-credential-{name}"),
            file: file.to_owned(),
        })
    }

    /// What it has for a registry.
    pub(super) async fn get(&self, host: &str) -> Result<Option<Login>, CredentialsError> {
        let (status, output) = self.run("get", host.as_bytes()).await?;
        if !status.success() {
            // They say it on the standard output, all in the same words.
            let text = String::from_utf8_lossy(&output);
            return match text.contains("credentials not found") {
                true => Ok(None),
                false => Err(self.failed(&text)),
            };
        }
        // The error of the JSON reader could show a part of the secret.
        let answer: Answer = serde_json::from_slice(&output)
            .map_err(|_| self.unusable("it is not a JSON object with `Username` and `Secret`"))?;
        let secret = Secret::new(answer.secret);
        Ok(Some(match answer.username.as_str() {
            TOKEN_USER => Login::Token(secret),
            _ => Login::Password {
                user: answer.username,
                password: secret,
            },
        }))
    }

    pub(super) async fn store(
        &self,
        host: &str,
        user: &str,
        password: &Secret,
    ) -> Result<(), CredentialsError> {
        let input = serde_json::json!({
            "ServerURL": host,
            "Username": user,
            "Secret": password.reveal(),
        });
        match self.run("store", input.to_string().as_bytes()).await? {
            (status, _) if status.success() => Ok(()),
            // It may repeat what it was given.
            _ => Err(self.failed("")),
        }
    }

    pub(super) async fn erase(&self, host: &str) -> Result<(), CredentialsError> {
        match self.run("erase", host.as_bytes()).await? {
            (status, _) if status.success() => Ok(()),
            (_, output) => Err(self.failed(&String::from_utf8_lossy(&output))),
        }
    }

    async fn run(
        &self,
        action: &str,
        input: &[u8],
    ) -> Result<(ExitStatus, Vec<u8>), CredentialsError> {
        let run = timeout(HELPER, self.run_without_end(action, input)).await;
        let (status, output) = match run {
            Err(_) => {
                return Err(CredentialsError::Late {
                    program: self.program.clone(),
                    time: HELPER,
                });
            }
            Ok(Err(error)) => {
                return Err(CredentialsError::NoHelper {
                    program: self.program.clone(),
                    file: self.file.clone(),
                    error,
                });
            }
            Ok(Ok(done)) => done,
        };
        match output.len() as u64 > MAX_HELPER_OUTPUT {
            true => Err(self.unusable("it is too long")),
            false => Ok((status, output)),
        }
    }

    /// The program is killed if this is given up.
    async fn run_without_end(
        &self,
        action: &str,
        input: &[u8],
    ) -> io::Result<(ExitStatus, Vec<u8>)> {
        let mut child = Command::new(&self.program)
            .arg(action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It may have something to say to the user.
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read it has answered or failed.
            let _ = stdin.write_all(input).await;
        }
        let mut output = Vec::new();
        let mut ended = None;
        if let Some(stdout) = child.stdout.take() {
            let mut bounded = stdout.take(MAX_HELPER_OUTPUT + 1);
            // What it has started, such as a daemon, may hold the output after its end.
            let rest = async {
                let status = child.wait().await;
                sleep(HELPER_REST).await;
                status
            };
            tokio::select! {
                read = bounded.read_to_end(&mut output) => {
                    read?;
                }
                status = rest => ended = Some(status?),
            }
        }
        let status = match ended {
            Some(status) => status,
            None => {
                // It would wait for ever for somebody who reads on.
                if output.len() as u64 > MAX_HELPER_OUTPUT {
                    child.kill().await?;
                }
                child.wait().await?
            }
        };
        Ok((status, output))
    }

    fn failed(&self, text: &str) -> CredentialsError {
        CredentialsError::Helper {
            program: self.program.clone(),
            text: shown(text),
        }
    }

    fn unusable(&self, why: &str) -> CredentialsError {
        CredentialsError::Answer {
            program: self.program.clone(),
            why: why.to_owned(),
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A helper that is this script.
    fn helper(folder: &Path, script: &str) -> Helper {
        let program = folder.join("docker-credential-test");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&program, mode).unwrap();
        Helper {
            program: program.to_str().unwrap().to_owned(),
            file: folder.join("config.json"),
        }
    }

    #[tokio::test]
    async fn a_helper_is_asked_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let helper = helper(
            folder.path(),
            &format!(
                r#"cat > {path}/input-$1
                [ "$1" = get ] && echo '{{"ServerURL": "a.b", "Username": "ada", "Secret": "s"}}'
                exit 0"#
            ),
        );
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let found = helper.get("a.b").await.unwrap();
        let password = Secret::new("s");
        let user = "ada".to_owned();
        assert_eq!(found, Some(Login::Password { user, password }));
        assert_eq!(read("input-get"), "a.b");
        helper
            .store("a.b", "ada", &Secret::new("p\""))
            .await
            .unwrap();
        assert_eq!(
            read("input-store"),
            r#"{"Secret":"p\"","ServerURL":"a.b","Username":"ada"}"#
        );
        helper.erase("a.b").await.unwrap();
        assert_eq!(read("input-erase"), "a.b");
    }

    #[tokio::test]
    async fn what_a_helper_answers_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let ask = async |script: &str| helper(folder.path(), script).get("a.b").await;
        let none = ask("echo credentials not found in native keychain; exit 1").await;
        assert_eq!(none.unwrap(), None);
        let token = ask(r#"echo '{"Username": "<token>", "Secret": "t"}'"#).await;
        assert_eq!(token.unwrap(), Some(Login::Token(Secret::new("t"))));
        let begin = std::time::Instant::now();
        // What it leaves behind may even print.
        let left = ask(r#"echo '{"Username": "<token>", "Secret": "t"}'
            (i=0; while [ $i -lt 200 ]; do sleep 0.05; echo; i=$((i + 1)); done) &"#)
        .await;
        assert_eq!(left.unwrap(), Some(Login::Token(Secret::new("t"))));
        assert!(begin.elapsed().as_secs() < 5);
        for (script, expected) in [
            (
                "printf 'locked\\033[2J'; exit 1",
                "failed: locked\u{fffd}[2J",
            ),
            ("echo '{\"Secret\": \"hidden\"}'", "not a JSON object with"),
            ("echo hidden", "not a JSON object with"),
            // It would go on without end.
            ("while echo hidden; do :; done", "it is too long"),
        ] {
            let error = ask(script).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
