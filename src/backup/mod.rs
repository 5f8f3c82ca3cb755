//! Backup sets: taken, listed, put back, through restic.
