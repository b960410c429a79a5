# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_arkmeter_global_optspecs
    string join \n config= shards= shard= shard-index= h/help V/version
end

function __fish_arkmeter_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_arkmeter_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_arkmeter_using_subcommand
    set -l cmd (__fish_arkmeter_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c arkmeter -n "__fish_arkmeter_needs_command" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_needs_command" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_needs_command" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_needs_command" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -s V -l version -d 'Print version'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "setup" -d 'Set up arkmeter step by step: find the meters, name them, write the configuration, start'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "run" -d 'Run the daemon'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "demo" -d 'Try arkmeter without hardware: simulated meters, a simulated endpoint, and the real daemon between them'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "check" -d 'Check the configuration: print every problem, then what would be polled and reported'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "read" -d 'Read the meters once, now, and print their values'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "report" -d 'Report once, now, or print the report without sending it'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "status" -d 'Show the state of the running daemon'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "handover" -d 'Print the handover sheet: box, meters with their readings, clients'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "scan" -d 'Find the meters on a line or in a range of addresses, and print the configuration for them'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "inspect" -d 'Read the registers of an unsupported meter in every possible format, and propose a profile'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "support" -d 'Collect what remote support needs in one text file, with secrets masked'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "profiles" -d 'List the supported meters, and check your own profiles'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "ledger" -d 'Show what the ledger holds and decided, and correct it'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "history" -d 'Show the energy of all meters, or the power and energy of one, over time (also `ledger history`)'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "shard" -d 'Split a configuration between several daemons, and change their number'
complete -c arkmeter -n "__fish_arkmeter_needs_command" -f -a "replay" -d 'Feed a recorded trace through the ledger and print what would have been published'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand setup" -l answers -d 'Answers to all questions, as an earlier run printed them' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand setup" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand setup" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand setup" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand setup" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand setup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand run" -l record -d 'Record all readings in a trace for `replay`, up to 64 MiB; an existing trace is continued' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand run" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand run" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand run" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand run" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand demo" -l for -d 'Stop after this time, such as 1m, at least 30s (default: run until Ctrl-C)' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand demo" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand demo" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand demo" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand demo" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand check" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand check" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand check" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand check" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand check" -l json -d 'Print JSON'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand check" -l quiet -d 'Print only the problems and whether the configuration is valid'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand check" -l no-system -d 'Judge the configuration alone: no token file, certificate, device, ledger or limit of this machine'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand read" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand read" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand read" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand read" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand read" -l json -d 'Print JSON'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand read" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand report" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand report" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand report" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand report" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand report" -l once -d 'Send one report for every client now'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand report" -l dry-run -d 'Print the calls that would be sent, and send nothing'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand status" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand status" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand status" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand status" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand status" -l lines -d 'Also show registers, identifiers, and the counters of each bus and line'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand status" -l watch -d 'Show the status and a plot of power, refreshed every 2 seconds, until q or Ctrl-C'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand status" -l json -d 'Print the status document as JSON'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand status" -l alive -d 'Only ask whether all tasks of the daemon make progress, whatever the meters and the cloud do: for the health check of a container'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand handover" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand handover" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand handover" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand handover" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand handover" -l html -d 'Print a page for a browser, to print or to save as PDF'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand handover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l serial -d 'A serial device, such as /dev/serial/by-id/usb-...' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l tcp -d 'A Modbus TCP gateway or meter: host:port (scan: also 192.168.1.0/24:502 or 192.168.1.10-40:502)' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l rtu-over-tcp -d 'A transparent converter (RTU over TCP): host:port' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l bus -d 'A bus of the configuration' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l baud -d 'Baud rates to try, such as 9600 or 9600,19200 (default: the usual ones)' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l parity -d 'Parities to try (default: the usual ones)' -r -f -a "none\t''
even\t''
odd\t''"
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l stop-bits -d 'Stop bits, 1 or 2' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l units -d 'Units to try, such as 1-20,247 (default: 1 to 247, then over Modbus TCP 255 and 0; at several addresses 1 to 10 and 247 first)' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l timeout -d 'Timeout for an answer, such as 200ms (default: 150ms on a serial line, 500ms through a converter, 1s through a gateway)' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l watch -d 'How long to watch the energy counters of the meters that were found' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l max-power -d 'Maximum power of the connections, such as 20kW: needed for profiles without a rating' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l all -d 'Continue with other baud rates and parities after a meter was found'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l write -d 'Add the meters that were found to the configuration; asks for fuses and clients at a terminal'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -l json -d 'Print JSON'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand scan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l serial -d 'A serial device, such as /dev/serial/by-id/usb-...' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l tcp -d 'A Modbus TCP gateway or meter: host:port (scan: also 192.168.1.0/24:502 or 192.168.1.10-40:502)' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l rtu-over-tcp -d 'A transparent converter (RTU over TCP): host:port' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l bus -d 'A bus of the configuration' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l unit -d 'Unit of the meter, 1 to 247; over Modbus TCP also 0 and 248 to 255' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l baud -d 'Baud rate of the line' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l parity -d 'Parity of the line' -r -f -a "none\t''
even\t''
odd\t''"
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l stop-bits -d 'Stop bits, 1 or 2' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l registers -d 'Registers to read, 0-based, such as 0..200 or 0x100..0x130,0x400..0x450' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l function -d 'Only input registers (function 4) or holding registers (function 3) (default: both)' -r -f -a "input\t''
holding\t''"
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l loads -d 'Loads that you switch on one after the other when asked, such as 0,1kW,3kW: they show which register is the power, and its scale' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l display -d 'The imported energy that the meter\'s display shows now, such as 1234.5kWh: it tells counters apart' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l watch -d 'How long to watch the registers, with --loads each load; up to 4h, 0s reads once (default: 60s, with --loads 2m)' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l name -d 'Name of the profile' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -l json -d 'Print JSON'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand support" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand support" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand support" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand support" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand support" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and not __fish_seen_subcommand_from list show check" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and not __fish_seen_subcommand_from list show check" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and not __fish_seen_subcommand_from list show check" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and not __fish_seen_subcommand_from list show check" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and not __fish_seen_subcommand_from list show check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and not __fish_seen_subcommand_from list show check" -f -a "list" -d 'List the built-in profiles'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and not __fish_seen_subcommand_from list show check" -f -a "show" -d 'Show one profile: its registers, known problems and sources, and the TOML to copy'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and not __fish_seen_subcommand_from list show check" -f -a "check" -d 'Check your own profiles: print every problem, then what would be read'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from list" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from list" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from list" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from list" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from show" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from show" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from show" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from show" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from check" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from check" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from check" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from check" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from check" -l json -d 'Print JSON'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand profiles; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "show" -d 'Show what is on disk for each meter and client'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "journal" -d 'Show what was decided, and why, newest first'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "history" -d 'Show the energy of all meters, or the power and energy of one, over time'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "accept" -d 'Accept the held register of a meter now (this does not credit a jump: see credit)'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "adopt" -d 'Report from a ledger that was created on another machine (a cloned or moved disk)'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "credit" -d 'Add energy that was consumed but not credited'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "set" -d 'Publish nothing below a figure that Arkreen already has'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "replace" -d 'Record that a meter was replaced: count the old one to its end and the new one from its beginning'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "backup" -d 'Save the whole ledger to a file, with or without a running daemon'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "move" -d 'Move the ledger to another machine: save it to a file, and stop reporting from this machine'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "rename" -d 'Keep the figure of a meter that was renamed in the configuration, or is going to be'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "record" -d 'Record the readings of the running daemon, as a trace for `replay`'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "restore" -d 'Replace the ledger by a backup (no daemon may run; refused if a published figure would fall)'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and not __fish_seen_subcommand_from show journal history accept adopt credit set replace backup move rename record restore undo" -f -a "undo" -d 'Undo the effect of a wrong decision on the figure (published stands still until the figure exceeds it)'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from show" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from show" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from show" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from show" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from journal" -l meter -d 'Only entries about this meter or client' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from journal" -l before -d 'Only entries before this one, for the next page' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from journal" -l most -d 'Maximum number of entries' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from journal" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from journal" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from journal" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from journal" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from journal" -l json -d 'Print JSON'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from journal" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from history" -l from -d 'Only what was recorded after this time: 2026-11-01, 2026-11-01T08:00:00+02:00, 7d for seven days ago, `today` or `yesterday`' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from history" -l to -d 'Only what was recorded up to this time' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from history" -l every -d 'Add up slots over this time, such as 15m, 1h or 1d [default: 1d for all meters, each report slot for one]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from history" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from history" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from history" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from history" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from history" -l utc -d 'Days and times in UTC, as Arkreen counts (default: in the box\'s time zone, or in the offset of --from)'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from history" -l csv -d 'Print CSV'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from history" -l json -d 'Print JSON'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from accept" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from accept" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from accept" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from accept" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from accept" -l dry-run -d 'Print what would be done, and change nothing'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from accept" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from adopt" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from adopt" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from adopt" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from adopt" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from adopt" -l dry-run -d 'Print what would be done, and change nothing'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from adopt" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from credit" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from credit" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from credit" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from credit" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from credit" -l dry-run -d 'Print what would be done, and change nothing'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from credit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from set" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from set" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from set" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from set" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from set" -l dry-run -d 'Print what would be done, and change nothing'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from replace" -l old-reading -d 'The old meter\'s last reading, such as 81234.5kWh' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from replace" -l new-reading -d 'The new meter\'s first reading, such as 0kWh' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from replace" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from replace" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from replace" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from replace" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from replace" -l dry-run -d 'Print what would be done, and change nothing'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from replace" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from backup" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from backup" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from backup" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from backup" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from move" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from move" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from move" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from move" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from move" -l dry-run -d 'Print what would be done, and change nothing'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from move" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from rename" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from rename" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from rename" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from rename" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from rename" -l dry-run -d 'Print what would be done, and change nothing'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from rename" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from record" -l meter -d 'A meter\'s name, or all' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from record" -l for -d 'How long, such as 10m (at most a week)' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from record" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from record" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from record" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from record" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from record" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from restore" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from restore" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from restore" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from restore" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from undo" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from undo" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from undo" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from undo" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from undo" -l dry-run -d 'Print what would be done, and change nothing'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand ledger; and __fish_seen_subcommand_from undo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand history" -l from -d 'Only what was recorded after this time: 2026-11-01, 2026-11-01T08:00:00+02:00, 7d for seven days ago, `today` or `yesterday`' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand history" -l to -d 'Only what was recorded up to this time' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand history" -l every -d 'Add up slots over this time, such as 15m, 1h or 1d [default: 1d for all meters, each report slot for one]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand history" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand history" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand history" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand history" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand history" -l utc -d 'Days and times in UTC, as Arkreen counts (default: in the box\'s time zone, or in the offset of --from)'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand history" -l csv -d 'Print CSV'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand history" -l json -d 'Print JSON'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and not __fish_seen_subcommand_from init resize" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and not __fish_seen_subcommand_from init resize" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and not __fish_seen_subcommand_from init resize" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and not __fish_seen_subcommand_from init resize" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and not __fish_seen_subcommand_from init resize" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and not __fish_seen_subcommand_from init resize" -f -a "init" -d 'Begin the ledgers of all shards, or of one, before their first start'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and not __fish_seen_subcommand_from init resize" -f -a "resize" -d 'Change the number of shards, while all of them are stopped: move figures, memory, journal and history'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and __fish_seen_subcommand_from init" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and __fish_seen_subcommand_from init" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and __fish_seen_subcommand_from init" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and __fish_seen_subcommand_from init" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and __fish_seen_subcommand_from resize" -l from -d 'The present number of shards, or `none`' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and __fish_seen_subcommand_from resize" -l to -d 'The new number of shards, or `none`' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and __fish_seen_subcommand_from resize" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and __fish_seen_subcommand_from resize" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and __fish_seen_subcommand_from resize" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and __fish_seen_subcommand_from resize" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand shard; and __fish_seen_subcommand_from resize" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand replay" -l meter -d 'The meter of the configuration that the trace belongs to' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand replay" -l config -d 'Configuration file, or the folder of an arkmeter.toml; the parts in conf.d beside it are read too' -r -F
complete -c arkmeter -n "__fish_arkmeter_using_subcommand replay" -l shards -d 'How many shards there are [env: ARKMETER_SHARDS]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand replay" -l shard -d 'Which of them, from 1 [env: ARKMETER_SHARD]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand replay" -l shard-index -d 'Which of them, from 0 [env: ARKMETER_SHARD_INDEX]' -r
complete -c arkmeter -n "__fish_arkmeter_using_subcommand replay" -l explain -d 'Also print how much energy can have flowed, what the register may be doing, and the rule'
complete -c arkmeter -n "__fish_arkmeter_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
