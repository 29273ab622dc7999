//! What the parent does: it starts the child, waits for it, and ends it.

use std::io::{self, Write as _};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use wasm_flow_contract::host::CompileLimits;

use super::Job;
use super::answer::Answer;
use super::confinement::{self, Confinement};
use super::error::CompileError;
use super::program::CompilerProgram;
use super::words::{self, Words};
use crate::bounds::COMPILE_CHECK;
use crate::text::cut_printable;

/// Code that a child of this process compiled, as it came over the pipe to that child.
pub(crate) struct Compiled {
    // Only this module makes one, of an answer of a child that it has started.
    code: Vec<u8>,
}

impl Compiled {
    pub(crate) fn code(&self) -> &[u8] {
        &self.code
    }
}

/// Has a child compile a component. Blocks the thread, which has to be there until it returns:
/// the child dies with the thread that started it.
pub(super) fn compile(program: &CompilerProgram, job: &Job<'_>) -> Result<Compiled, CompileError> {
    let limits = job.limits;
    let failed = |error| CompileError::Start {
        program: program.path().to_owned(),
        error,
    };
    let patience = Patience {
        since: Instant::now(),
        time: limits.time,
        is_wanted: job.is_wanted,
    };
    let (mut child, pipes) = Running::start(program, job).map_err(failed)?;
    // On threads of their own: a pipe takes and gives when the other side pleases. They end
    // with the child.
    let wasm = Arc::clone(&job.wasm);
    let Pipes {
        mut input,
        output,
        errors,
    } = pipes;
    // If it takes no more, how it ended says why.
    spawn(move || drop(input.write_all(&wasm))).map_err(failed)?;
    let (answered, answer) = mpsc::sync_channel(1);
    let read = move || {
        let mut output = output;
        let _ = answered.send(Answer::read(&mut output));
        // What is not an answer is read to its end all the same: how the child ends is then
        // its own doing, and not that nobody read.
        let _ = io::copy(&mut output, &mut io::sink());
    };
    spawn(read).map_err(failed)?;
    let (said, words) = mpsc::sync_channel(1);
    spawn(move || drop(said.send(Words::read(errors)))).map_err(failed)?;

    let answer = loop {
        match answer.recv_timeout(patience.next_check()?) {
            Ok(answer) => break answer,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break None,
        }
    };
    // It has said all that it has to say.
    if let Some(answer) = answer
        && answer.digest == job.digest
    {
        return match answer.outcome {
            Ok(code) => Ok(Compiled { code }),
            Err(refusal) if words::are_of_memory(&refusal) => {
                Err(CompileError::OutOfMemory(limits.memory))
            }
            Err(refusal) => Err(CompileError::Invalid(cut_printable(&refusal))),
        };
    }
    let status = loop {
        let pause = patience.next_check()?;
        match child.status().map_err(failed)? {
            Some(status) => break status,
            None => thread::sleep(pause.min(COMPILE_CHECK / 20)),
        }
    };
    let words = words.recv_timeout(COMPILE_CHECK).unwrap_or_default();
    Err(reason(program, status, &words, limits))
}

/// Why there is no answer.
fn reason(
    program: &CompilerProgram,
    status: ExitStatus,
    words: &Words,
    limits: CompileLimits,
) -> CompileError {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;

        use rustix::process::Signal;
        let signal = status.signal();
        if signal == Some(Signal::XCPU.as_raw()) {
            return CompileError::TooLong(limits.time);
        }
        if signal == Some(Signal::KILL.as_raw()) {
            return CompileError::Killed;
        }
    }
    let said = words.shown();
    match status.success() {
        true => CompileError::Garbage {
            program: program.path().to_owned(),
            said,
        },
        false if words::are_of_memory(words.text()) => CompileError::OutOfMemory(limits.memory),
        false => CompileError::Crashed {
            how: status.to_string(),
            said,
        },
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name("wasm-flow-compile".to_owned());
    thread.spawn(work).map(drop)
}

/// How long the child may take.
struct Patience<'a> {
    since: Instant,
    time: Duration,
    is_wanted: &'a dyn Fn() -> bool,
}

impl Patience<'_> {
    /// How long to wait until this is asked again.
    fn next_check(&self) -> Result<Duration, CompileError> {
        if !(self.is_wanted)() {
            return Err(CompileError::Unwanted);
        }
        match self.time.checked_sub(self.since.elapsed()) {
            None | Some(Duration::ZERO) => Err(CompileError::TooLong(self.time)),
            Some(left) => Ok(left.min(COMPILE_CHECK)),
        }
    }
}

/// A child that runs. Without this value it does not.
struct Running {
    child: Child,
    is_reaped: bool,
}

struct Pipes {
    input: ChildStdin,
    output: ChildStdout,
    errors: ChildStderr,
}

impl Running {
    fn start(program: &CompilerProgram, job: &Job<'_>) -> io::Result<(Running, Pipes)> {
        let limits = job.limits;
        let mut command = Command::new(program.path());
        command
            .args(program.arguments())
            .args(Confinement::new(limits, job.gives_way).to_arguments())
            .env_clear()
            // Those of the library that the compiler takes its threads from.
            .env(
                "RAYON_NUM_THREADS",
                confinement::threads(limits).to_string(),
            )
            .current_dir(std::path::MAIN_SEPARATOR_STR)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            // What a terminal sends to this process is not for the child.
            command.arg0(program.name()).process_group(0);
        }
        let mut running = Running {
            child: command.spawn()?,
            is_reaped: false,
        };
        let child = &mut running.child;
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(input), Some(output), Some(errors)) => {
                let pipes = Pipes {
                    input,
                    output,
                    errors,
                };
                Ok((running, pipes))
            }
            _ => Err(io::Error::other("it has no pipes")),
        }
    }

    /// How it ended, if it has.
    fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.is_reaped = status.is_some();
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        #[cfg(unix)]
        {
            use rustix::process::{Pid, Signal, kill_process_group};
            // With all that it has started. It is its group's first, and not reaped yet, so
            // the group is no other's.
            let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
            let _ = id.map(|id| kill_process_group(id, Signal::KILL));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_contract::hub::Digest;

    use super::*;

    fn compile_with(
        program: &CompilerProgram,
        limits: CompileLimits,
        is_wanted: &dyn Fn() -> bool,
    ) -> CompileError {
        let job = Job {
            // More than a pipe takes.
            wasm: Arc::new(vec![0; 1 << 20]),
            digest: Digest::new([1; 32]),
            limits,
            gives_way: false,
            is_wanted,
        };
        match compile(program, &job) {
            Ok(_) => panic!("{program:?} compiles"),
            Err(error) => error,
        }
    }

    /// What comes of a child that is this script.
    fn of(script: &str, limits: CompileLimits) -> CompileError {
        let program = CompilerProgram::new("/bin/sh")
            .arg("-c")
            .arg(script)
            .arg("sh");
        compile_with(&program, limits, &|| true)
    }

    fn says(script: &str, parts: &[&str]) {
        let text = of(script, CompileLimits::default()).to_string();
        for part in parts {
            assert!(text.contains(part), "{script}: {text}");
        }
    }

    #[test]
    fn each_way_to_end_has_a_text_of_its_own() {
        says(
            "echo hello; echo oops >&2",
            &["not compiled code", "/bin/sh", "its last words: oops"],
        );
        says("cat", &["not compiled code"]);
        says(
            "echo 'memory allocation of 7 bytes failed' >&2; kill -ABRT $$",
            &[
                "is not compiled with 4 GiB of memory",
                "`compile.memory` of [host]",
            ],
        );
        says(
            "echo 'thread main panicked' >&2; kill -SEGV $$",
            &["the compiler crashed", "SIGSEGV", "thread main panicked"],
        );
        says("exit 101", &["the compiler crashed", "101"]);
        says(
            "kill -XCPU $$",
            &["is not compiled within 300s", "`compile.time`"],
        );
        says("kill -KILL $$", &["was killed, and not by wasm-flow"]);
    }

    #[test]
    fn one_that_is_not_there_is_named() {
        let program = CompilerProgram::new("/nowhere/at/all");
        let error = compile_with(&program, CompileLimits::default(), &|| true);
        let text = error.to_string();
        assert!(text.contains("/nowhere/at/all cannot be started"), "{text}");
    }

    /// Whether it reads or not, and whatever it has started.
    #[test]
    fn one_that_takes_too_long_ends_with_all_that_it_has_started() {
        let limits = CompileLimits {
            time: Duration::from_millis(300),
            ..CompileLimits::default()
        };
        for script in ["sleep 60 & cat >/dev/null; sleep 60", "exec >&-; sleep 60"] {
            let begun = Instant::now();
            let error = of(script, limits);
            assert!(matches!(error, CompileError::TooLong(_)), "{error}");
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
    }

    #[test]
    fn one_that_nobody_waits_for_ends() {
        let program = CompilerProgram::new("/bin/sh").arg("-c").arg("sleep 60");
        let begun = Instant::now();
        let is_wanted = || begun.elapsed() < Duration::from_millis(200);
        let error = compile_with(&program, CompileLimits::default(), &is_wanted);
        assert!(matches!(error, CompileError::Unwanted));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn it_has_no_variable_and_no_folder_of_its_parent() {
        says(
            "{ env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort | tr '\\n' ' '; pwd; } >&2; exit 7",
            &["its last words: RAYON_NUM_THREADS=", " / \n"].map(str::trim),
        );
        let text = of("env >&2; exit 7", CompileLimits::default()).to_string();
        assert!(!text.contains("CARGO") && !text.contains("HOME"), "{text}");
    }
}
