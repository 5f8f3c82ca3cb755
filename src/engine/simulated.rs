//! A swarm in memory, or in a file, with the same state machine as the real one.
