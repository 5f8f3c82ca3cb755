// Creates an app's administrator after the first deploy.
//
// `bindings/` is what `wit-bindgen c` makes of plugin.wit. A function of the
// host returns true when it did what was asked; what a hook puts into `failure`
// is freed by the bindings afterwards.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/plugin.h"

typedef exports_potluck_recipe_lifecycle_failure_t failure_t;
typedef exports_potluck_recipe_lifecycle_transition_t transition_t;

// A literal or a text that lives on, as the host takes it.
static plugin_string_t text(const char *value) {
  plugin_string_t string;
  plugin_string_set(&string, value);
  return string;
}

// A text of the host's as C has it; longer ones are cut.
static const char *copied(char *buffer, size_t size, const uint8_t *bytes, size_t length) {
  size_t most = length < size - 1 ? length : size - 1;
  memcpy(buffer, bytes, most);
  buffer[most] = '\0';
  return buffer;
}

static void set(plugin_string_t *into, const char *format, va_list arguments) {
  char buffer[2048];
  vsnprintf(buffer, sizeof buffer, format, arguments);
  plugin_string_dup(into, buffer);
}

// Says why the hook failed; false, for the hook to return.
static bool fail(failure_t *failure, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  set(&failure->message, format, arguments);
  va_end(arguments);
  failure->hint.is_some = false;
  failure->retryable = false;
  return false;
}

static bool hint(failure_t *failure, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  set(&failure->hint.val, format, arguments);
  va_end(arguments);
  failure->hint.is_some = true;
  return false;
}

static bool denied(failure_t *failure, plugin_string_t grant) {
  char line[200];
  copied(line, sizeof line, grant.ptr, grant.len);
  fail(failure, "the plugin was not granted `%s`", line);
  return hint(failure, "write `%s` under this plugin's grants in recipe.yml", line);
}

static bool service_failed(failure_t *failure, potluck_recipe_services_error_t *error) {
  char name[200];
  switch (error->tag) {
  case POTLUCK_RECIPE_SERVICES_ERROR_DENIED:
    denied(failure, error->val.denied);
    break;
  case POTLUCK_RECIPE_SERVICES_ERROR_NOT_RUNNING:
    copied(name, sizeof name, error->val.not_running.ptr, error->val.not_running.len);
    fail(failure, "the service `%s` is not running", name);
    failure->retryable = true;
    break;
  case POTLUCK_RECIPE_SERVICES_ERROR_TIMED_OUT:
    fail(failure, "it took longer than was allowed");
    failure->retryable = true;
    break;
  default:
    fail(failure, "the service could not be used");
  }
  potluck_recipe_services_error_free(error);
  return false;
}

// The value is the caller's to free.
static bool required(const char *key, plugin_string_t *value, failure_t *failure) {
  plugin_string_t name = text(key);
  if (potluck_recipe_app_setting(&name, value)) {
    if (value->len > 0) {
      return true;
    }
    plugin_string_free(value);
  }
  fail(failure, "the setting %s is missing", key);
  return hint(failure, "add a line `%s=…` to the app's settings", key);
}

static bool run(const char *service, plugin_string_t *argv, size_t count, failure_t *failure) {
  plugin_string_t name = text(service);
  potluck_recipe_services_command_t command = {.argv = {argv, count}};
  plugin_list_u8_t input = {NULL, 0};
  potluck_recipe_services_output_t output;
  potluck_recipe_services_error_t error;
  if (!potluck_recipe_services_run(&name, &command, &input, &output, &error)) {
    return service_failed(failure, &error);
  }
  bool ended_well = output.exit_code == 0;
  if (!ended_well) {
    char program[200], said[1000];
    copied(program, sizeof program, argv[0].ptr, argv[0].len);
    copied(said, sizeof said, output.stderr_.ptr, output.stderr_.len);
    said[strcspn(said, "\n")] = '\0';
    fail(failure, "`%s` ended with code %d%s%s", program, output.exit_code, *said ? ": " : "", said);
  }
  potluck_recipe_services_output_free(&output);
  return ended_well;
}

// The password is read where it is, in the service: it is in no argument.
static bool create(plugin_string_t *email, failure_t *failure) {
  plugin_string_t argv[] = {
      text("sh"), text("-c"), text("app-ctl create-admin \"$1\" </run/secrets/admin_password"),
      text("sh"), *email,
  };
  return run("app", argv, 5, failure);
}

bool exports_potluck_recipe_lifecycle_check(transition_t *to, failure_t *failure) {
  plugin_string_t email;
  if (!required("ADMIN_EMAIL", &email, failure)) {
    return false;
  }
  plugin_string_free(&email);
  return true;
}

bool exports_potluck_recipe_lifecycle_before_deploy(transition_t *to, failure_t *failure) {
  return true;
}

bool exports_potluck_recipe_lifecycle_after_deploy(transition_t *to, failure_t *failure) {
  plugin_string_t key = text("administrator"), why;
  plugin_option_string_t known;
  if (!potluck_recipe_memory_get(&key, &known, &why)) {
    plugin_string_free(&why);
    return fail(failure, "the memory could not be read");
  }
  if (known.is_some) {
    plugin_option_string_free(&known);
    return true;
  }

  plugin_string_t email;
  if (!required("ADMIN_EMAIL", &email, failure)) {
    return false;
  }
  bool done = create(&email, failure);
  if (done && !potluck_recipe_memory_set(&key, &email, &why)) {
    plugin_string_free(&why);
    done = fail(failure, "the memory could not be written");
  }
  if (done) {
    char address[300], line[400];
    copied(address, sizeof address, email.ptr, email.len);
    snprintf(line, sizeof line, "created the administrator %s", address);
    plugin_string_t message = text(line);
    potluck_recipe_report_log(POTLUCK_RECIPE_REPORT_LEVEL_INFO, &message);
  }
  plugin_string_free(&email);
  return done;
}

bool exports_potluck_recipe_lifecycle_before_remove(failure_t *failure) { return true; }
