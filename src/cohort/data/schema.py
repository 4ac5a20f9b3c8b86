"""The tables of a run's store, in SQL.

Token ids are int32 and log-probabilities float32 blobs, `ratios` and `entropies` float16, all little-endian,
and `clipped` a byte of 0 or 1: one value for each token that was sampled. Times are seconds since the epoch,
durations seconds.
"""

from __future__ import annotations

SCHEMA_VERSION = 7

SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE stages (
  stage INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, steps INTEGER NOT NULL,
  started REAL NOT NULL, seconds REAL, sampled_tokens INTEGER, trained_tokens INTEGER);
CREATE TABLE steps (
  stage INTEGER NOT NULL, step INTEGER NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (stage, step)
) WITHOUT ROWID;
CREATE TABLE metrics (
  stage INTEGER NOT NULL, step INTEGER NOT NULL, name TEXT NOT NULL, value REAL,
  PRIMARY KEY (stage, name, step)) WITHOUT ROWID;
CREATE TABLE groups (
  id INTEGER PRIMARY KEY, stage INTEGER NOT NULL, step INTEGER NOT NULL, problem TEXT NOT NULL,
  prompt TEXT NOT NULL, prompt_tokens BLOB NOT NULL, columns TEXT NOT NULL,
  discarded TEXT NOT NULL, greedy_reward REAL);
CREATE INDEX groups_by_step ON groups (stage, step);
CREATE INDEX groups_by_problem ON groups (problem);
CREATE TABLE rollouts (
  group_id INTEGER NOT NULL REFERENCES groups, number INTEGER NOT NULL, text TEXT NOT NULL,
  tokens BLOB NOT NULL, logprobs BLOB NOT NULL, stop TEXT NOT NULL, version INTEGER NOT NULL,
  temperature REAL NOT NULL, reward REAL, advantage REAL, steps TEXT, episode TEXT,
  ratios BLOB, entropies BLOB, clipped BLOB,
  PRIMARY KEY (group_id, number)
) WITHOUT ROWID;
CREATE TABLE scores (
  group_id INTEGER NOT NULL REFERENCES groups, number INTEGER NOT NULL, function TEXT NOT NULL,
  value REAL, kind TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (group_id, number, function)
) WITHOUT ROWID;
CREATE TABLE asked (key TEXT PRIMARY KEY, answer TEXT NOT NULL, time REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE quarantine (
  key TEXT PRIMARY KEY, function TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,
  time REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE evaluations (
  id INTEGER PRIMARY KEY, stage INTEGER NOT NULL, after TEXT NOT NULL, summary TEXT NOT NULL);
CREATE TABLE answers (
  evaluation INTEGER NOT NULL REFERENCES evaluations, problem TEXT NOT NULL, sample INTEGER NOT NULL,
  prompt TEXT NOT NULL, text TEXT NOT NULL, reward REAL, success INTEGER,
  PRIMARY KEY (evaluation, problem, sample)) WITHOUT ROWID;
CREATE TABLE events (
  time REAL NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL, stage INTEGER, step INTEGER);
CREATE TABLE sittings (
  number INTEGER PRIMARY KEY, started REAL NOT NULL, process INTEGER NOT NULL, stage INTEGER NOT NULL,
  step INTEGER NOT NULL, changes TEXT NOT NULL);
"""
