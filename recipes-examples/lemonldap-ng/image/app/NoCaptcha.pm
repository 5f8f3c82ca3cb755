package NoCaptcha;

# LemonLDAP::NG loads a module for pictures of letters whether it shows them or not; its own
# needs ImageMagick.

use strict;
use warnings;

use Mouse;

extends 'Lemonldap::NG::Common::Module';

our $VERSION = '0.1.0';

sub init { return 1 }

sub init_captcha { return }

# Whoever switches pictures on, and has no other module, lets nobody in.
sub check_captcha { return 0 }

1;
