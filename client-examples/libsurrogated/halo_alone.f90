! SPDX-License-Identifier: Apache-2.0
! One process has the whole bar.
module halo
  use, intrinsic :: iso_c_binding, only: c_int
  use, intrinsic :: iso_fortran_env, only: error_unit, real64
  implicit none

  interface
    subroutine c_exit(status) bind(c, name="exit") ! stop with a number prints it
      import :: c_int
      integer(c_int), value :: status
    end subroutine c_exit
  end interface

contains

  subroutine halo_begin()
  end subroutine halo_begin

  subroutine halo_end()
  end subroutine halo_end

  subroutine halo_stop(status)
    integer, intent(in) :: status
    flush (error_unit)
    call c_exit(int(status, c_int))
  end subroutine halo_stop

  integer function halo_rank()
    halo_rank = 0
  end function halo_rank

  integer function halo_size()
    halo_size = 1
  end function halo_size

  ! Its ends are at temperature 0.
  subroutine halo_exchange(padded)
    real(real64), intent(inout) :: padded(0:)
    padded(0) = 0.0_real64
    padded(ubound(padded, 1)) = 0.0_real64
  end subroutine halo_exchange

  real(real64) function halo_sum(value)
    real(real64), intent(in) :: value
    halo_sum = value
  end function halo_sum

  real(real64) function halo_max(value)
    real(real64), intent(in) :: value
    halo_max = value
  end function halo_max

end module halo
