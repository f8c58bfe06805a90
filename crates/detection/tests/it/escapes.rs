//! Detections that try to get out of their worker: each attempt is an error of the one that tried, and nothing else.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use uncia_detection::{Engine, EngineConfig, EngineError, LayerState, MemoryCache, Sandbox, find_python};
use uncia_model::DetectionErrorKind::{Raised, Setup};

use crate::workers::{config, numbered, rules};

const EVENTS: usize = 60;
/// The event on which escapes are tried.
const TRIED: usize = 23;

/// Who tries, what, and the layer that has the wall. What comes through makes a match.
const ESCAPES: &[(&str, &str, &str)] = &[
    ("Fork", "system calls", "os.fork() or os._exit(0)"),
    ("Spawn", "system calls", "os.posix_spawn('/bin/true', ['true'], {})"),
    ("Subprocess", "system calls", "import subprocess; subprocess.run(['/bin/true'])"),
    ("Shell", "system calls", "if os.system('exit 7') >> 8 != 7: raise PermissionError('no shell')"),
    ("Exec", "system calls", "os.execv('/bin/true', ['true'])"),
    ("Thread", "system calls", "import threading; threading.Thread(target=print).start()"),
    ("Socket", "system calls", "import socket; socket.create_connection(('127.0.0.1', 1), 1)"),
    ("Datagram", "system calls", "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"),
    ("UnixSocket", "system calls", "import socket; socket.socket(socket.AF_UNIX)"),
    ("Connect", "system calls", "call('connect', 3, b'', 0)"),
    ("Bind", "system calls", "call('bind', 3, b'', 0)"),
    ("Listen", "system calls", "call('listen', 3, 1)"),
    ("KillParent", "system calls", "os.kill(os.getppid(), 0)"),
    ("KillAll", "system calls", "os.kill(-1, 0)"),
    ("KillInit", "system calls", "os.kill(1, 0)"),
    ("LeaveGroup", "system calls", "os.setpgid(0, 0)"),
    ("Outlive", "system calls", "call('prctl', 1, 0)"),
    ("Trace", "system calls", "call('ptrace', 16, os.getppid(), None, None)"),
    ("Peek", "system calls", "call('process_vm_readv', os.getppid(), None, 0, None, 0, 0)"),
    ("Namespace", "system calls", "call('unshare', 0x10000000)"),
    ("Mount", "system calls", "call('mount', b'none', b'/nowhere', b'no-such-kind', 0, None)"),
    ("Ring", "system calls", "call('syscall', 425, 1, None)"),
    ("Limits", "system calls", "call('prlimit', 0, 7, (ctypes.c_ulong * 2)(9, 9), None)"),
    ("Memory", "system calls", "os.memfd_create('more')"),
    ("Write", "system calls", "open('OUTSIDE.new', 'w')"),
    ("Append", "system calls", "open('OUTSIDE', 'a')"),
    ("Truncate", "system calls", "os.truncate('OUTSIDE', 0)"),
    ("Delete", "system calls", "os.remove('OUTSIDE')"),
    ("Rename", "system calls", "os.rename('OUTSIDE', 'OUTSIDE.new')"),
    ("Folder", "system calls", "os.mkdir('OUTSIDE.new')"),
    ("Link", "system calls", "os.link('OUTSIDE', 'OUTSIDE.new')"),
    ("Symlink", "system calls", "os.symlink('OUTSIDE', 'OUTSIDE.new')"),
    ("Mode", "system calls", "os.chmod('OUTSIDE', 0o777)"),
    ("Time", "system calls", "os.utime('OUTSIDE', (1, 1))"),
    ("Passwords", "files", "open('/etc/passwd').read()"),
    ("Outside", "files", "open('OUTSIDE').read()"),
    ("Root", "files", "os.listdir('/')"),
    ("Home", "files", "os.listdir('/etc')"),
    ("Environment", "files", "open('/proc/self/environ').read()"),
    ("Parent", "files", "open(f'/proc/{os.getppid()}/environ').read()"),
    ("Init", "files", "os.listdir('/proc/1')"),
];

fn escape(attempt: &str, outside: &Path) -> String {
    let attempt = attempt.replace("OUTSIDE", &outside.display().to_string());
    format!(
        "import ctypes, os

def call(name, *arguments):
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)

def rule(event):
    if event['n'] != {TRIED}:
        return False
    {attempt}
    return True
"
    )
}

async fn start(sources: &[(String, String)], config: EngineConfig) -> Result<Engine, EngineError> {
    let sources: Vec<_> = sources.iter().map(|(id, source)| (id.as_str(), source.as_str())).collect();
    Engine::start(rules(&sources), config, Arc::new(MemoryCache::default())).await
}

/// A file outside of everything that rules may read.
fn outside() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outside");
    std::fs::write(&file, "secret").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    (folder, file)
}

#[tokio::test]
async fn every_escape_is_refused_and_nobody_else_notices() {
    let (folder, outside) = outside();
    let mut sources: Vec<(String, String)> = Vec::new();
    for (place, (id, _, attempt)) in ESCAPES.iter().enumerate() {
        let good = format!("def rule(event):\n    return event['n'] % {} == 0\n", place + 2);
        sources.push((format!("Good.{place}"), good));
        sources.push(((*id).to_owned(), escape(attempt, &outside)));
    }
    let engine = start(&sources, config()).await.unwrap();
    let missing: Vec<String> = engine
        .sandbox()
        .into_iter()
        .filter(|layer| layer.state == LayerState::Missing)
        .map(|layer| layer.name)
        .collect();
    assert_eq!(engine.sandbox().len(), 5);
    if !missing.is_empty() {
        eprintln!("skipped: escapes that {missing:?} would refuse, which this system does not offer");
    }
    let evaluation = engine.evaluate(numbered(EVENTS)).await;
    engine.shutdown().await;

    let tried = ESCAPES.iter().filter(|(_, layer, _)| !missing.iter().any(|missing| missing == layer));
    let expected: BTreeSet<_> =
        tried.map(|(id, ..)| (TRIED, *id, if *id == "Thread" { "RuntimeError" } else { "PermissionError" })).collect();
    let refused = evaluation.errors.iter().map(|e| (e.event, e.detection.as_str(), e.exception.as_str()));
    let refused: Vec<_> = refused.filter(|(_, id, _)| !missing_wall(id, &missing)).collect();
    assert!(evaluation.errors.iter().all(|error| error.kind == Raised), "{:#?}", evaluation.errors);
    assert_eq!(refused.len(), expected.len(), "{:#?}", evaluation.errors);
    assert_eq!(BTreeSet::from_iter(refused), expected);

    let good: BTreeSet<(usize, String)> = (0..ESCAPES.len())
        .flat_map(|place| (0..EVENTS).filter(move |n| n % (place + 2) == 0).map(move |n| (n, format!("Good.{place}"))))
        .collect();
    let matches = evaluation.matches.iter().map(|m| (m.event, m.detection.as_str().to_owned()));
    let matches: Vec<_> = matches.filter(|(_, id)| !missing_wall(id, &missing)).collect();
    assert_eq!(matches.len(), good.len(), "no match lost or doubled, no escape");
    assert_eq!(BTreeSet::from_iter(matches), good);
    assert_eq!(evaluation.stats.deaths, 0);

    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "secret");
    assert_eq!(std::fs::metadata(&outside).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// What a worker is copied from has a door that it forks through: modules do not find it.
#[tokio::test]
async fn modules_do_not_get_out_while_they_are_imported() {
    let (folder, outside) = outside();
    let module = |attempt: &str| {
        let attempt = attempt.replace("OUTSIDE", &outside.display().to_string());
        format!(
            "import ctypes, os

def call(name, *arguments):
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)

{attempt}
"
        )
    };
    let more = [
        ("Clone", "call('syscall', 56, 17, 0, 0, 0, 0, 0) if os.uname().machine == 'x86_64' else call('fork')"),
        (
            "Guess",
            "[call('syscall', 56, 17, 0, 0, 0, 0, n) if os.uname().machine == 'x86_64' else call('fork') for n in range(9)]",
        ),
        ("Signals", "call('kill', os.getpid(), 0)"),
    ];
    let all = ESCAPES.iter().map(|(id, layer, attempt)| (*id, *layer, *attempt));
    let all: Vec<_> = all.chain(more.map(|(id, attempt)| (id, "system calls", attempt))).collect();
    let mut sources: Vec<_> = all.iter().map(|(id, _, attempt)| ((*id).to_owned(), module(attempt))).collect();
    sources.push(("Good".to_owned(), "def rule(event):\n    return True\n".to_owned()));
    let engine = start(&sources, config()).await.unwrap();
    let walls = engine.sandbox();
    let stands = |name: &str| walls.iter().any(|layer| layer.name == name && layer.state != LayerState::Missing);
    let errors: BTreeSet<_> =
        engine.setup_errors().into_iter().map(|(id, error)| (id.as_str().to_owned(), error.exception)).collect();
    for (id, layer, _) in &all {
        let exception = if *id == "Thread" { "RuntimeError" } else { "PermissionError" };
        assert!(!stands(layer) || errors.contains(&((*id).to_owned(), exception.to_owned())), "{id}: {errors:?}");
    }
    assert_eq!((engine.evaluate(numbered(3)).await.matches.len(), engine.uncopied()), (3, None));
    engine.shutdown().await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

fn missing_wall(id: &str, missing: &[String]) -> bool {
    ESCAPES.iter().any(|(escape, layer, _)| *escape == id && missing.iter().any(|missing| missing == layer))
}

#[tokio::test]
async fn without_walls_they_get_out() {
    let (_folder, outside) = outside();
    let gets_out = |id: &&(&str, &str, &str)| ["Outside", "Datagram", "Root", "KillParent"].contains(&id.0);
    let sources: Vec<_> =
        ESCAPES.iter().filter(gets_out).map(|(id, _, attempt)| ((*id).to_owned(), escape(attempt, &outside))).collect();
    let engine = start(&sources, EngineConfig { sandbox: Sandbox::Off, ..config() }).await.unwrap();
    assert_eq!(engine.sandbox(), []);
    let evaluation = engine.evaluate(numbered(EVENTS)).await;
    engine.shutdown().await;
    assert_eq!((evaluation.matches.len(), &evaluation.errors[..]), (4, &[][..]));
}

#[tokio::test]
async fn what_rules_import_late_is_there() {
    let packages = tempfile::tempdir().unwrap();
    std::fs::write(packages.path().join("late_package.py"), "ANSWER = 42\n").unwrap();
    let source = "
def rule(event):
    import asyncio, concurrent.futures, ctypes, decimal, email, hashlib, http.client, json, multiprocessing, random, re
    import logging, mimetypes, secrets, sqlite3, ssl, subprocess, tempfile, threading, unittest.mock, urllib.request, uuid
    import xml.etree.ElementTree, zoneinfo, zlib, bz2, late_package
    ssl.create_default_context()
    mimetypes.guess_type('x.pdf')
    import os
    if os.path.exists('/usr/share/zoneinfo/Europe/Berlin'):
        zoneinfo.ZoneInfo('Europe/Berlin')
    return bool(uuid.uuid4()) and hashlib.sha256(secrets.token_bytes(8)).digest() != b'' and late_package.ANSWER == 42
";
    let config = EngineConfig { python_path: vec![packages.path().to_owned()], ..config() };
    let engine = start(&[("Late".to_owned(), source.to_owned())], config).await.unwrap();
    let evaluation = engine.evaluate(numbered(1)).await;
    engine.shutdown().await;
    assert_eq!((evaluation.matches.len(), &evaluation.errors[..]), (1, &[][..]));
}

#[tokio::test]
async fn modules_load_behind_the_walls_and_so_do_later_workers() {
    let sources = [
        ("Early".to_owned(), "import os\nos.kill(os.getppid(), 0)\n".to_owned()),
        ("Exits".to_owned(), "import os\ndef rule(event):\n    return event['n'] == 3 and os._exit(1)\n".to_owned()),
        ("Late".to_owned(), escape("os.kill(os.getppid(), 0)", Path::new("unused"))),
    ];
    let engine = start(&sources, EngineConfig { workers: 1, ..config() }).await.unwrap();
    let evaluation = engine.evaluate(numbered(EVENTS)).await;
    engine.shutdown().await;
    let error = |id: &str| evaluation.errors.iter().find(|error| error.detection.as_str() == id).expect("it failed");
    assert_eq!((error("Early").kind, error("Early").exception.as_str()), (Setup, "PermissionError"));
    assert_eq!((error("Late").kind, error("Late").exception.as_str()), (Raised, "PermissionError"));
    assert!(evaluation.stats.deaths > 0 && error("Exits").event == 3);
}

#[tokio::test]
async fn strict_refuses_a_worker_whose_walls_have_gaps() {
    // Walls hold for one thread; this interpreter has two.
    let python = find_python(None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let threaded = folder.path().join("python3");
    let script = format!(
        r#"#!/bin/sh
[ "$1" = -I ] && echo "3 11 cpython $0" && exit
exec {} -S -c '
import sys, threading, time
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
at = sys.argv.index("-c", 1)
code, sys.argv = sys.argv[at + 1], sys.argv[at + 1:]
exec(code)' "$@"
"#,
        python.display()
    );
    std::fs::write(&threaded, script).unwrap();
    std::fs::set_permissions(&threaded, std::fs::Permissions::from_mode(0o755)).unwrap();
    let with = |sandbox| EngineConfig { python: Some(threaded.clone()), workers: 1, sandbox, ..config() };
    let sources = [("Good".to_owned(), "def rule(event):\n    return True\n".to_owned())];

    let refused = start(&sources, with(Sandbox::Strict)).await.err().expect("refused").to_string();
    assert!(refused.contains("no system calls (holds for one of the worker's 2 threads only)"), "{refused}");
    let engine = start(&sources, with(Sandbox::BestEffort)).await.unwrap();
    assert!(engine.sandbox().iter().all(|layer| layer.state == LayerState::Missing), "{:?}", engine.sandbox());
    assert_eq!(engine.evaluate(numbered(3)).await.matches.len(), 3);
    engine.shutdown().await;

    let engine = start(&sources, EngineConfig { sandbox: Sandbox::BestEffort, ..config() }).await.unwrap();
    let complete = engine.sandbox().iter().all(|layer| layer.state != LayerState::Missing);
    engine.shutdown().await;
    assert_eq!(start(&sources, EngineConfig { sandbox: Sandbox::Strict, ..config() }).await.is_ok(), complete);
}
