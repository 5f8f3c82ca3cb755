//! Docker Swarm through bollard.
