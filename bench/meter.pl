#!/usr/bin/perl
# Runs one command and writes what it cost as JSON into the file given first. Perl, because perl-base is on every Debian
# and starts in a few milliseconds; what the command prints is its own. Exits as the command does.
#   wall_s          from fork to exit
#   own_cpu_s       user and system time of the process itself, without its children; resolution 10 ms
#   tree_cpu_s      the same with all children that it waited for
#   peak_rss_kib    highest resident set of the process or of one of those children
use strict;
use warnings;
use POSIX qw(sysconf _SC_CLK_TCK sigprocmask SIG_BLOCK SIGCHLD);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($out, @command) = @ARGV;
die "usage: meter.pl OUT COMMAND...\n" unless @command;
my %wait4 = (x86_64 => 61, aarch64 => 260);
my $machine = (POSIX::uname())[4];
my $call = $wait4{$machine} // die "meter.pl: no number of wait4 for $machine\n";

my $start = clock_gettime(CLOCK_MONOTONIC);
my $pid = fork() // die "fork: $!\n";
if ($pid == 0) { exec { $command[0] } @command or POSIX::_exit(127) }

# waitid(P_PID, WEXITED | WNOWAIT) leaves the zombie, whose /proc entry still has the times of the process alone.
my $info = "\0" x 128;
my $waitid = $machine eq 'x86_64' ? 247 : 95;
1 while syscall($waitid, 1, $pid, $info, 4 | 0x01000000, 0) == -1 && $!{EINTR};
my $wall = clock_gettime(CLOCK_MONOTONIC) - $start;
open(my $stat, '<', "/proc/$pid/stat") or die "/proc/$pid/stat: $!\n";
my $line = <$stat>;
my @fields = split ' ', substr($line, rindex($line, ')') + 2);
my $own = ($fields[11] + $fields[12]) / sysconf(_SC_CLK_TCK);

my ($status, $usage) = ("\0" x 8, "\0" x 160);
1 while syscall($call, $pid, $status, 0, $usage) == -1 && $!{EINTR};
my ($us, $uu, $ss, $su, $rss) = unpack 'q5', $usage;
my $code = unpack 'i', $status;
open(my $file, '>', $out) or die "$out: $!\n";
printf {$file} qq({"wall_s":%.6f,"own_cpu_s":%.2f,"tree_cpu_s":%.6f,"peak_rss_kib":%d,"code":%d}\n),
  $wall, $own, $us + $ss + ($uu + $su) / 1e6, $rss, $code & 127 ? 128 + ($code & 127) : $code >> 8;
exit($code & 127 ? 128 + ($code & 127) : $code >> 8);
