<?php
// Where upstream has it; Debian has it elsewhere.
require __DIR__ . '/public/index.php';
