//! The server under measurement: a process of its own, and what the system says it has used.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, bail};
use serde_json::Value;

/// Clock ticks a second in `/proc`, the same on every Linux.
const TICKS_PER_SECOND: u64 = 100;

/// A running server.
pub(super) struct ServerProcess {
    child: Child,
    pub(super) url: String,
}

/// CPU time of a process so far.
#[derive(Debug, Clone, Default)]
pub(super) struct CpuReading {
    /// Nanoseconds by thread.
    threads: BTreeMap<String, u64>,
    /// User and system time of the whole process, threads that have ended included, in ticks.
    ticks: u64,
}

impl CpuReading {
    /// Milliseconds used since an earlier reading.
    ///
    /// The threads' own clocks count nanoseconds but leave out threads that have ended in between; the process's count
    /// includes those but in ticks of 10 ms. Where they differ by more than the ticks' coarseness, threads have ended.
    pub(super) fn since_ms(&self, earlier: &Self) -> f64 {
        let before = |thread: &String| earlier.threads.get(thread).copied().unwrap_or(0);
        let nanos: u64 = self
            .threads
            .iter()
            .map(|(thread, nanos)| nanos.saturating_sub(before(thread)))
            .sum();
        let by_threads = nanos as f64 / 1e6;
        let tick_ms = 1000.0 / TICKS_PER_SECOND as f64;
        let by_ticks = (self.ticks - earlier.ticks) as f64 * tick_ms;
        if by_ticks > by_threads + 2.0 * tick_ms {
            by_ticks
        } else {
            by_threads
        }
    }
}

impl ServerProcess {
    /// Starts this program as a server on a free port and waits until it is ready.
    pub(super) fn start(data: &Path, database_url: Option<&str>) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let mut command = Command::new(program);
        command.arg("serve").args(["--listen", "127.0.0.1:0"]);
        match database_url {
            Some(url) => command.args(["--database-url", url]),
            None => command.arg("--data").arg(data),
        };
        if std::env::var_os("FIELDPOOL_LOG").is_none() {
            command.env("FIELDPOOL_LOG", "warn");
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a server")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the server has no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).unwrap_or_default();
        let Some(url) = ready["url"].as_str().map(str::to_owned) else {
            let _ = child.kill();
            bail!("the server did not become ready; its reason stands above");
        };
        Ok(Self { child, url })
    }

    /// User and system time so far.
    pub(super) fn cpu(&self) -> anyhow::Result<CpuReading> {
        let folder = format!("/proc/{}", self.child.id());
        let mut threads = BTreeMap::new();
        for thread in fs::read_dir(format!("{folder}/task")).context("bench reads /proc and so needs Linux")? {
            let thread = thread?;
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else {
                continue;
            };
            let nanos = text.split_whitespace().next().and_then(|word| word.parse().ok());
            threads.insert(thread.file_name().to_string_lossy().into_owned(), nanos.unwrap_or(0));
        }
        let stat = fs::read_to_string(format!("{folder}/stat"))?;
        // The name in parentheses may hold spaces; after it user and system time are the 12th and 13th words.
        let words: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| words.get(index).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        Ok(CpuReading {
            threads,
            ticks: ticks(11) + ticks(12),
        })
    }

    /// Begins a new peak of resident memory.
    pub(super) fn reset_rss_peak(&self) {
        // Where the system does not allow it the peak is that of the process's whole life: never too low.
        let _ = fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5");
    }

    /// Peak of resident memory since it was last reset.
    pub(super) fn rss_peak_bytes(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
            .context("/proc tells no peak of memory")?;
        Ok(kib * 1024)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Its data is thrown away: there is nothing to finish.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
