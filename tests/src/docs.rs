//! Runs a page of the guide: what its readers would type, typed for them, and compared.
//!
//! In a block that is marked `console`, a line that begins with `$ ` is a command and the lines up to the
//! next one are all that it prints. In those, `[..]` stands for any text within a line, and a line
//! of nothing but `...` for any number of lines. A command fails exactly if what it prints has a line
//! that begins with `error:`, or `fingerpostd:`.
//!
//! In a block that is marked `console eventually`, a command is run again and again until it prints what
//! it should, for a minute at most: other nodes need a moment. A block of any other language whose mark
//! ends with `file=NAME` is a file that readers save.
//!
//! A page has one directory. Commands run in it one after the other, by `sh`, but for three forms that
//! an interactive shell would keep between commands: `COMMAND &` (a node in the background; the runner
//! waits until it answers), `kill … %N` (the Nth of those; it waits for the end, unless the signal is `-STOP`
//! or `-CONT`) and `NAME=$(COMMAND)`. Every home of
//! such a node begins with settings that keep it to loopback: see
//! [`LOOPBACK_CONFIG`](crate::process::LOOPBACK_CONFIG).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Fail;
use crate::binaries::binaries;
use crate::process::write_loopback_config;

/// How long a command of a block marked `eventually` may take to print what it should.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// What a page asks for, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A file to be saved.
    File {
        /// Its name, in the directory of the page.
        name: String,
        /// What it holds.
        content: String,
    },
    /// A command to be run.
    Command {
        /// Its line in the page, from 1.
        line: usize,
        /// What is typed.
        command: String,
        /// What it prints.
        expected: Vec<String>,
        /// Whether it may take several tries.
        eventually: bool,
    },
}

/// Reads the steps of a page.
pub fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        let Some(mark) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let mut body = Vec::new();
        for (at, line) in lines.by_ref() {
            if line.trim_start().starts_with("```") {
                break;
            }
            body.push((at + 1, line));
        }
        let words: Vec<&str> = mark.split_whitespace().collect();
        let file = words.iter().find_map(|word| word.strip_prefix("file="));
        if let Some(name) = file {
            let content = body.iter().map(|(_, line)| format!("{line}\n")).collect();
            steps.push(Step::File {
                name: name.to_owned(),
                content,
            });
        } else if words.first() == Some(&"console") {
            steps.extend(commands(&body, words.contains(&"eventually")));
        }
    }
    steps
}

fn commands(body: &[(usize, &str)], eventually: bool) -> Vec<Step> {
    let mut found: Vec<Step> = Vec::new();
    let mut continues = false;
    for (line, text) in body {
        match (text.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => found.push(Step::Command {
                line: *line,
                command: command.to_owned(),
                expected: Vec::new(),
                eventually,
            }),
            (None, Some(Step::Command { command, .. })) if continues => {
                *command = format!("{}{}", command.trim_end_matches('\\'), text.trim_start());
            }
            (None, Some(Step::Command { expected, .. })) => {
                expected.push(text.trim_end().to_owned())
            }
            _ => {}
        }
        continues = text.ends_with('\\');
    }
    found
}

/// Whether what was printed is what the page says.
pub fn matches(expected: &[String], printed: &[&str]) -> bool {
    match (expected.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "..." => {
            (0..=printed.len()).any(|skip| matches(rest, printed.get(skip..).unwrap_or_default()))
        }
        (Some((wanted, expected)), Some((line, printed))) => {
            line_matches(wanted, line) && matches(expected, printed)
        }
        _ => false,
    }
}

fn line_matches(wanted: &str, line: &str) -> bool {
    let line = line.trim_end();
    let mut parts = wanted.split("[..]");
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

/// Runs a page from its file.
///
/// # Errors
/// The first command that did not do what the page says, with what it printed, and the nodes' logs.
pub fn run_page(path: &Path) -> Result<(), Fail> {
    let text = fs::read_to_string(path)
        .map_err(|error| Fail::new(format!("{} cannot be read: {error}", path.display())))?;
    let steps = steps(&text);
    if !steps
        .iter()
        .any(|step| matches!(step, Step::Command { .. }))
    {
        return Err(Fail::new(format!(
            "{} has no commands to run",
            path.display()
        )));
    }
    let mut page = Page::new(path, &steps)?;
    for step in &steps {
        page.take(step)?;
    }
    Ok(())
}

/// A page that is being run.
struct Page<'a> {
    path: &'a Path,
    dir: tempfile::TempDir,
    jobs: Vec<Child>,
    variables: BTreeMap<String, String>,
    last_code: i32,
}

struct Printed {
    stdout: String,
    /// Standard error, or both in the order of their writing.
    text: String,
    code: i32,
}

impl<'a> Page<'a> {
    fn new(path: &'a Path, steps: &[Step]) -> Result<Self, Fail> {
        let dir = tempfile::Builder::new().prefix("guide-").tempdir()?;
        let page = Self {
            path,
            dir,
            jobs: Vec::new(),
            variables: BTreeMap::new(),
            last_code: 0,
        };
        for step in steps {
            if let Step::Command { command, .. } = step
                && command.starts_with("fingerpostd")
                && command.ends_with('&')
            {
                write_loopback_config(&page.home_of(command))?;
            }
        }
        Ok(page)
    }

    /// The home that a command names, or the one that is used where none is named.
    fn home_of(&self, command: &str) -> PathBuf {
        let mut words = command.split_whitespace();
        let named = words
            .by_ref()
            .any(|word| word == "--home")
            .then(|| words.next())
            .flatten();
        self.dir
            .path()
            .join(named.unwrap_or(".local/share/fingerpost"))
    }

    fn take(&mut self, step: &Step) -> Result<(), Fail> {
        match step {
            Step::File { name, content } => Ok(fs::write(self.dir.path().join(name), content)?),
            Step::Command {
                line,
                command,
                expected,
                eventually,
            } => {
                let end = Instant::now()
                    + if *eventually {
                        PATIENCE
                    } else {
                        Duration::ZERO
                    };
                loop {
                    let (text, failed) = self.type_in(command)?;
                    let printed: Vec<&str> = text.trim_end().lines().collect();
                    let says_error = |line: &&str| {
                        line.starts_with("error:") || line.starts_with("fingerpostd:")
                    };
                    let consistent = failed == printed.iter().any(says_error);
                    if consistent && matches(expected, &printed) {
                        return Ok(());
                    }
                    if Instant::now() >= end {
                        return Err(self.report(*line, command, expected, &text));
                    }
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    fn report(&self, line: usize, command: &str, expected: &[String], text: &str) -> Fail {
        let path = self.path.display();
        let mut report = format!(
            "{path}:{line}: $ {command}\n--- the page says\n{}\n--- it printed (exit code {})\n{text}\n",
            expected.join("\n"),
            self.last_code,
        );
        for at in 1..=self.jobs.len() {
            let log = fs::read_to_string(self.log_of(at)).unwrap_or_default();
            report.push_str(&format!("--- log of the {at}. background command\n{log}\n"));
        }
        Fail::new(report)
    }

    /// Runs one command; answers what the reader sees, and whether it failed.
    fn type_in(&mut self, command: &str) -> Result<(String, bool), Fail> {
        if let Some(command) = command.strip_suffix('&') {
            self.start(command.trim())?;
            return Ok((String::new(), false));
        }
        if let Some((name, inner)) = assignment(command) {
            let printed = self.shell(inner, false)?;
            self.variables
                .insert(name.to_owned(), printed.stdout.trim_end().to_owned());
            return Ok((printed.text, printed.code != 0));
        }
        let (command, killed) = match command.starts_with("kill ") {
            true => self.with_pids(command),
            false => (command.to_owned(), Vec::new()),
        };
        let printed = self.shell(&command, true)?;
        let ends = !["-STOP", "-CONT"]
            .iter()
            .any(|signal| command.contains(signal));
        for job in killed.into_iter().filter(|_| ends) {
            self.wait_for_end(job)?;
        }
        Ok((printed.text, printed.code != 0))
    }

    fn command(&self) -> Result<Command, Fail> {
        let mut path = OsString::from(&binaries()?.dir);
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        let mut command = Command::new("sh");
        command
            .current_dir(self.dir.path())
            .env("PATH", path)
            .env("HOME", self.dir.path())
            .env_remove("FINGERPOST_HOME")
            .env_remove("XDG_DATA_HOME")
            .envs(&self.variables)
            .stdin(Stdio::null());
        Ok(command)
    }

    fn shell(&mut self, text: &str, together: bool) -> Result<Printed, Fail> {
        let redirect = if together { "exec 2>&1; " } else { "" };
        // So that `echo $?` tells of the command before.
        let script = format!("{redirect}(exit {}); {text}", self.last_code);
        let output = self.command()?.args(["-c", &script]).output()?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        self.last_code = output.status.code().unwrap_or(-1);
        let text = if together { stdout.clone() } else { stderr };
        Ok(Printed {
            stdout,
            text,
            code: self.last_code,
        })
    }

    fn log_of(&self, job: usize) -> PathBuf {
        self.dir.path().join(format!(".background-{job}.log"))
    }

    /// Starts a node in the background and waits until it answers.
    fn start(&mut self, text: &str) -> Result<(), Fail> {
        let log = File::create(self.log_of(self.jobs.len() + 1))?;
        let script = format!("exec {text}");
        let mut command = self.command()?;
        command
            .args(["-c", &script])
            .stdout(log.try_clone()?)
            .stderr(log);
        self.jobs.push(command.spawn()?);
        let home = self.home_of(text);
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self
                .command()?
                .args(["-c", "fingerpost --home \"$0\" status >/dev/null 2>&1"])
                .arg(&home)
                .status()?;
            if status.success() {
                return Ok(());
            }
            if Instant::now() >= end {
                let log = fs::read_to_string(self.log_of(self.jobs.len())).unwrap_or_default();
                let path = self.path.display();
                return Err(Fail::new(format!(
                    "{path}: `{text} &` does not answer; its log:\n{log}"
                )));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Puts process ids in the place of `%N`.
    fn with_pids(&self, command: &str) -> (String, Vec<usize>) {
        let mut jobs = Vec::new();
        let words = command.split_whitespace().map(|word| {
            let job = word
                .strip_prefix('%')
                .and_then(|number| number.parse::<usize>().ok());
            match job.and_then(|job| Some((job, self.jobs.get(job.checked_sub(1)?)?))) {
                Some((job, child)) => {
                    jobs.push(job);
                    child.id().to_string()
                }
                None => word.to_owned(),
            }
        });
        let words: Vec<String> = words.collect();
        (words.join(" "), jobs)
    }

    fn wait_for_end(&mut self, job: usize) -> Result<(), Fail> {
        let Some(child) = job.checked_sub(1).and_then(|at| self.jobs.get_mut(at)) else {
            return Ok(());
        };
        let end = Instant::now() + PATIENCE;
        while child.try_wait()?.is_none() {
            if Instant::now() >= end {
                return Err(Fail::new(format!(
                    "the {job}. background command did not end"
                )));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Page<'_> {
    fn drop(&mut self) {
        for job in &mut self.jobs {
            // Those that ended already cannot be killed; nobody to tell of others.
            job.kill().ok();
            job.wait().ok();
        }
    }
}

/// `NAME=$(COMMAND)`, taken apart.
fn assignment(command: &str) -> Option<(&str, &str)> {
    let (name, value) = command.split_once('=')?;
    let inner = value.strip_prefix("$(")?.strip_suffix(')')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    is_name.then_some((name, inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn output_is_compared_line_by_line_but_for_what_varies() {
        let same = |wanted: &str, printed: &str| {
            matches(&lines(wanted), &printed.lines().collect::<Vec<_>>())
        };
        assert!(same("a\nb", "a\nb"));
        assert!(!same("a", "a\nb") && !same("a\nb", "a") && !same("", "a") && !same("a", ""));
        assert!(same("id org1[..] made", "id org1xyz made"));
        assert!(!same("id org1[..] made", "id org1xyz lost"));
        assert!(same("[..] and [..]!", "one and two!"));
        assert!(!same("[..] and [..]!", "one or two!"));
        assert!(same("a\n...\nz", "a\nb\nc\nz") && same("a\n...\nz", "a\nz"));
        assert!(!same("a\n...\nz", "a\nb"));
        assert!(same("...", ""));
    }

    #[test]
    fn a_page_is_read_in_order_with_its_files_and_hidden_blocks() {
        let page = "text\n<!--\n```console\n$ hidden\n```\n-->\n```json file=a.json\n{}\n```\n\
                    ```console eventually\n$ one \\\n    two\nout\n$ three\n```\n```sh\n$ not this\n```\n";
        let command = |line, command: &str, expected: &[&str], eventually| Step::Command {
            line,
            command: command.into(),
            expected: expected.iter().map(|line| (*line).to_owned()).collect(),
            eventually,
        };
        assert_eq!(
            steps(page),
            [
                command(4, "hidden", &[], false),
                Step::File {
                    name: "a.json".into(),
                    content: "{}\n".into()
                },
                command(11, "one two", &["out"], true),
                command(14, "three", &[], true),
            ]
        );
    }

    #[test]
    fn a_page_fails_where_it_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.md");
        let run = |text: &str| {
            fs::write(&path, format!("```console\n{text}\n```\n")).unwrap();
            run_page(&path).map_err(|fail| fail.to_string())
        };
        assert_eq!(
            run("$ x=$(echo 7)\n$ echo \"is $x\"\nis 7\n$ echo $?\n0"),
            Ok(())
        );
        assert!(
            run("$ echo a\nb")
                .unwrap_err()
                .contains("page.md:2: $ echo a")
        );
        // A failure that the page does not show, and one that does not happen.
        assert!(run("$ false").is_err());
        assert!(run("$ echo error: x\nerror: x").is_err());
        assert!(run("text").is_err());
    }
}
