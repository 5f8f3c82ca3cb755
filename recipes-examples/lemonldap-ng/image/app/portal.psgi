# The portal of LemonLDAP::NG with what is fixed in front: files for browsers, and the
# configuration as it is now.

use strict;
use warnings;

use JSON ();
use Lemonldap::NG::Portal::Main;
use Plack::Builder;
use Plack::Util;
use Time::HiRes ();

use Configuration;

my $portal = Lemonldap::NG::Portal::Main->run( {} );
my $seen   = '';

# A configuration is a file in this folder. LemonLDAP::NG itself looks once in two seconds; a
# client that was just made counts on the next request.
sub look {
    my ($app) = @_;
    return sub {
        my ($env) = @_;
        my $now = ( Time::HiRes::stat($Configuration::FOLDER) )[9] // '';
        if ( $now ne $seen ) {
            $seen = $now;
            Lemonldap::NG::Handler::Main->lastCheck(0);
        }
        return $app->($env);
    };
}

# LemonLDAP::NG gives out scopes and claims that it does not list. Apps ask only for what is
# listed.
sub listed {
    my ($app) = @_;
    return sub {
        my ($env) = @_;
        my $answer = $app->($env);
        return $answer if $env->{PATH_INFO} ne '/.well-known/openid-configuration';
        return Plack::Util::response_cb(
            $answer,
            sub {
                my ($response) = @_;
                my $document = eval { JSON->new->utf8->decode( join '', @{ $response->[2] } ) } or return;
                push @{ $document->{scopes_supported} }, qw(groups offline_access);
                push @{ $document->{claims_supported} },
                  qw(name preferred_username email email_verified groups);
                my $text = JSON->new->utf8->canonical->encode($document);
                Plack::Util::header_set( $response->[1], 'Content-Length', length $text );
                $response->[2] = [$text];
                return;
            }
        );
    };
}

# Behind a proxy, the log names the person's address: the last one, which the proxy added.
sub forwarded {
    my ($app) = @_;
    return $app unless ( $ENV{FORWARDED} // '' ) eq 'on';
    return sub {
        my ($env) = @_;
        my ($last) = ( $env->{HTTP_X_FORWARDED_FOR} // '' ) =~ /([0-9a-fA-F.:]+)\s*$/;
        $env->{REMOTE_ADDR} = $last if defined $last;
        return $app->($env);
    };
}

builder {
    enable 'Static', path => qr{^/static/}, root => '/usr/share/lemonldap-ng/portal/htdocs';
    # Debian has the libraries of others in a place of their own.
    enable 'Static', path => qr{^/javascript/}, root => '/usr/share';
    enable \&forwarded;
    enable \&look;
    enable \&listed;
    $portal;
};
