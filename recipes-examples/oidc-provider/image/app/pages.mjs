// What people see: plain HTML without scripts.

const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const page = (title, body) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>
body { font: 1em/1.5 sans-serif; max-width: 26em; margin: 4em auto; padding: 0 1em }
label, input, button { display: block; font: inherit; box-sizing: border-box; width: 100% }
input, button { padding: .5em; margin: .2em 0 1em }
.problem { color: #a00 }
</style>
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
${body}
</main>
</body>
</html>
`;

const appName = (client) => escaped(client?.clientName ?? client?.clientId ?? 'an app');

export const signIn = ({ client, uid, login = '', problem }) => page('Sign in', `
<p>to go on to <strong>${appName(client)}</strong></p>
${problem ? `<p class="problem" role="alert">${escaped(problem)}</p>` : ''}
<form method="post" action="/interaction/${escaped(uid)}/login">
<label>Login <input name="login" autocomplete="username" required autofocus value="${escaped(login)}"></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button type="submit">Sign in</button>
</form>
<p><a href="/interaction/${escaped(uid)}/abort">Cancel</a></p>`);

const MEANING = {
  openid: 'who you are',
  profile: 'your name',
  email: 'your e-mail address',
  groups: 'your groups',
  offline_access: 'all of this while you are away',
};

export const consent = ({ client, uid, scopes, redirect }) => page('Allow', `
<p><strong>${appName(client)}</strong> (${escaped(new URL(redirect).host)}) wants to know:</p>
<ul>${scopes.map((scope) => `<li>${escaped(MEANING[scope] ?? scope)}</li>`).join('')}</ul>
<form method="post" action="/interaction/${escaped(uid)}/consent">
<button type="submit" name="consent" value="yes">Allow</button>
</form>
<p><a href="/interaction/${escaped(uid)}/abort">Cancel</a></p>`);

export const gone = () => page('Too late', `
<p>This sign-in is no longer open. Go back to the app and sign in again.</p>`);

const EXPLAINED = {
  invalid_redirect_uri: ({ redirect_uri: asked, client_id: client }) => `The app ${client} asked to send you back to
${asked}, and that is not one of the addresses that are registered for it.`,
  invalid_client: ({ client_id: client }) => `No client is called ${client} here.`,
};

/** Any error that cannot be told to the app. */
export async function failed(ctx, out) {
  ctx.type = 'html';
  const asked = { ...ctx.query, ...ctx.oidc?.params };
  const explained = ctx.path.startsWith('/auth') && EXPLAINED[out.error]?.(asked);
  ctx.body = page('This did not work', `
${explained ? `<p>${escaped(explained)}</p>` : ''}
<dl>${Object.entries(out).map(([key, value]) => `<dt>${escaped(key)}</dt><dd>${escaped(value)}</dd>`).join('')}</dl>`);
}

export const logout = {
  async logoutSource(ctx, form) {
    ctx.body = page('Sign out', `
<p>Do you want to sign out here, too?</p>
${form}
<button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>
<button type="submit" form="op.logoutForm">Stay signed in</button>`);
  },
  async postLogoutSuccessSource(ctx) {
    ctx.body = page('Signed out', '<p>You are signed out.</p>');
  },
};
