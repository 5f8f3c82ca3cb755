// Replaces a text in every text column of the site's tables. Serialised PHP
// values carry the lengths of their texts, so they are taken apart and put
// together again; objects in them are left as they are.
require 'wp-load.php';

$old = $potluck_input['old'];
$new = $potluck_input['new'];
$skipped = 0;

function potluck_replace($value, $old, $new, &$blocked) {
	if (is_array($value)) {
		$result = array();
		foreach ($value as $key => $item) {
			$result[$key] = potluck_replace($item, $old, $new, $blocked);
		}
		return $result;
	}
	if (is_object($value)) {
		$blocked = true;
		return $value;
	}
	if (!is_string($value)) {
		return $value;
	}
	if (is_serialized($value)) {
		$inner = @unserialize($value, array('allowed_classes' => false));
		if ($inner !== false || $value === 'b:0;') {
			$changed = potluck_replace($inner, $old, $new, $blocked);
			return $blocked ? $value : serialize($changed);
		}
	}
	return str_replace($old, $new, $value);
}

$rows = 0;
foreach ($wpdb->get_col($wpdb->prepare('SHOW TABLES LIKE %s', $wpdb->esc_like($wpdb->prefix) . '%')) as $table) {
	$keys = array();
	$texts = array();
	foreach ($wpdb->get_results("SHOW COLUMNS FROM `$table`") as $column) {
		if ($column->Key === 'PRI') {
			$keys[] = $column->Field;
		} elseif (preg_match('/char|text/i', $column->Type)) {
			$texts[] = $column->Field;
		}
	}
	// Feed readers know a post by its guid, which therefore never changes.
	if ($table === $wpdb->posts) {
		$texts = array_diff($texts, array('guid'));
	}
	if (!$keys || !$texts) {
		continue;
	}
	$like = '%' . $wpdb->esc_like($old) . '%';
	$where = implode(' OR ', array_map(function ($text) use ($wpdb, $like) {
		return $wpdb->prepare("`$text` LIKE %s", $like);
	}, $texts));
	$names = '`' . implode('`, `', $keys) . '`';
	foreach ($wpdb->get_results("SELECT $names FROM `$table` WHERE $where", ARRAY_A) as $key) {
		$at = implode(' AND ', array_map(function ($name) use ($wpdb, $key) {
			return $wpdb->prepare("`$name` = %s", $key[$name]);
		}, $keys));
		$row = $wpdb->get_row("SELECT `" . implode('`, `', $texts) . "` FROM `$table` WHERE $at", ARRAY_A);
		$changed = array();
		foreach ((array) $row as $name => $value) {
			if (!is_string($value) || strpos($value, $old) === false) {
				continue;
			}
			$blocked = false;
			$result = potluck_replace($value, $old, $new, $blocked);
			if ($blocked) {
				$skipped++;
			} elseif ($result !== $value) {
				$changed[$name] = $result;
			}
		}
		if ($changed) {
			if ($wpdb->update($table, $changed, $key) === false) {
				potluck_fail("a row of $table could not be changed: {$wpdb->last_error}");
			}
			$rows++;
		}
	}
}
wp_cache_flush();
potluck_answer(array('rows' => $rows, 'skipped' => $skipped));
