#!/usr/bin/perl
# Brings LemonLDAP::NG's configuration up to date with the recipe's settings, and makes what
# the first start needs. What the settings do not name is left as it is: clients, keys and
# what operators changed by `lemonldap-ng-cli`.

use strict;
use warnings;

use Configuration;
use Keys;
use Setting;

sub where {
    my $issuer = Setting::text( 'ISSUER', '' );
    my ( $scheme, $host ) = $issuer =~ m{^(https?)://([a-z0-9][a-z0-9.-]*)(?::\d+)?$}
      or die "ISSUER is written like https://sso.example.org, without a slash at its end: \"$issuer\"\n";
    return (
        portal                    => "$issuer/",
        domain                    => $host,
        oidcServiceMetaDataIssuer => $issuer,
        # Over http, the browser would not send it.
        securedCookie => $scheme eq 'https' ? 1 : 0,
    );
}

my %oidc = (
    issuerDBOpenIDConnectActivation    => 1,
    oidcServiceAllowOnlyDeclaredScopes => 1,
    oidcServiceAllowImplicitFlow       => 0,
    oidcServiceAllowHybridFlow         => 0,
    # Anyone could make a client: the endpoint asks for no token.
    oidcServiceAllowDynamicRegistration => 0,
);

my %storage = (
    globalStorage        => 'Apache::Session::File',
    globalStorageOptions => {
        Directory      => '/data/sessions',
        LockDirectory  => '/data/sessions/lock',
        generateModule => 'Lemonldap::NG::Common::Apache::Session::Generate::SHA256',
    },
    tokenUseGlobalStorage => 1,
    # Sessions are files already: a cache of them would only be older.
    localSessionStorage => '',
);

my %portal = (
    # Time to look for a password, in seconds.
    issuersTimeout => 600,
    # Anyone who guesses passwords waits.
    bruteForceProtection        => 1,
    loginHistoryEnabled         => 1,
    portalDisplayRegister       => 0,
    portalDisplayResetPassword  => 0,
    portalDisplayChangePassword => 0,
    passwordDB                  => 'Null',
    registerDB                  => 'Null',
    whatToTrace                 => 'uid',
);

sub people {
    my $where = Setting::word( 'ACCOUNTS', 'secret', 'ldap' );
    return (
        authentication => 'Custom',
        userDB         => 'Custom',
        customAuth     => 'Accounts',
        customUserDB   => 'Accounts',
        macros         => {},
    ) if $where eq 'secret';

    my ( $login, $dn ) = ( Setting::text( 'LDAP_LOGIN', 'uid' ), Setting::text( 'LDAP_BIND_DN', '' ) );
    my $class = Setting::text( 'LDAP_CLASS', 'inetOrgPerson' );
    for my $needed (qw(LDAP_SERVER LDAP_BASE)) {
        die "$needed is missing: people are in a directory\n" unless Setting::text( $needed, '' );
    }
    return (
        authentication   => 'LDAP',
        userDB           => 'LDAP',
        ldapServer       => Setting::text('LDAP_SERVER'),
        ldapBase         => Setting::text('LDAP_BASE'),
        managerDn        => $dn,
        managerPassword  => length $dn ? Setting::secret('ldap_password') : '',
        LDAPFilter       => "(&($login=\$user)(objectClass=$class))",
        AuthLDAPFilter   => "(&($login=\$user)(objectClass=$class))",
        ldapExportedVars => {
            uid  => $login,
            cn   => Setting::text( 'LDAP_NAME',  'cn' ),
            mail => Setting::text( 'LDAP_EMAIL', 'mail' ),
        },
        ldapGroupBase                => Setting::text( 'LDAP_GROUPS_BASE', '' ),
        ldapGroupObjectClass         => Setting::text( 'LDAP_GROUPS_CLASS', 'groupOfNames' ),
        ldapGroupAttributeName       => Setting::text( 'LDAP_GROUPS_MEMBER', 'member' ),
        ldapGroupAttributeNameUser   => Setting::text( 'LDAP_GROUPS_MEMBER_IS', 'dn' ),
        ldapGroupAttributeNameSearch => Setting::text( 'LDAP_GROUPS_NAME', 'cn' ),
        ldapGroupAttributeNameGroup  => 'dn',
        # A directory does not say it; who keeps one mostly gives out the addresses, too.
        macros => {
            email_verified => Setting::word( 'LDAP_EMAIL_VERIFIED', 'true', 'false' ) eq 'true' ? 1 : 0,
        },
    );
}

my %settings = ( where(), people(), %oidc, %storage, %portal );
Setting::demands(0);
# Refused here, in one line, instead of by each worker.
if ( $settings{authentication} eq 'Custom' ) {
    require Accounts;
    Accounts::known();
}

Configuration::change(
    'settings of the recipe',
    sub {
        my ($conf) = @_;
        my $extra = $conf->{macros};
        @$conf{ keys %settings } = values %settings;
        # Macros of operators stay.
        $conf->{macros} = { %{ $extra // {} }, %{ $settings{macros} } };
        delete $conf->{macros}{email_verified} unless exists $settings{macros}{email_verified};
        # Encrypts what the portal hands to browsers.
        $conf->{key} //= Keys::random();
        # No site is protected by a handler of this portal.
        $conf->{locationRules} //= {};
        $conf->{captcha}       //= 'NoCaptcha';
        # Of clients that are there already, too.
        for my $name ( grep { /^app-/ } keys %{ $conf->{oidcRPMetaDataOptions} // {} } ) {
            my $options = $conf->{oidcRPMetaDataOptions}{$name};
            %$options = ( %$options, Setting::demands( $options->{oidcRPMetaDataOptionsPublic} ) );
        }
        Keys::renew($conf) unless $conf->{oidcServicePrivateKeySig};
        return;
    }
);
