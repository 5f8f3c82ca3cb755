-- MariaDB dump 10.19
-- Current Database: `wordpress`
CREATE TABLE `posts` (`title` TEXT);
INSERT INTO posts VALUES ("Leek and potato");
-- Dump completed
CREATE TABLE `potluck_complete` (`at` INT);
